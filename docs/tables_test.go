package docs_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/api"
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/ops/grants"
	"chat-service/internal/protocol"
)

var update = flag.Bool("update", false, "write the tables that come from the registries into the documents")

// tables are the tables that the registries write, by the name in the comment in front of them.
func tables() map[string]func() string {
	return map[string]func() string{
		"errors": errorTable, "client frames": clientFrameTable, "client fields": clientFieldTable, "server frames": serverFrameTable,
		"close codes": closeCodeTable, "limits": limitTable, "commands": commandTable, "deliveries": deliveryTable,
		"announcements": announcementTable, "rights": rightsTable, "refusals": refusalTable,
		"webhook events": webhookTable,
	}
}

var tableRE = regexp.MustCompile(`(?s)<!-- ([a-z ]+): written by go test \./docs -update -->\n(.*?)<!-- end -->`)

// TestTablesAreTheRegistries: what documents say about frames, errors, close codes and limits is what the code says. With -update they
// are written.
func TestTablesAreTheRegistries(t *testing.T) {
	left := tables()
	for _, doc := range documents(t) {
		text := read(t, doc)
		written := tableRE.ReplaceAllStringFunc(text, func(block string) string {
			m := tableRE.FindStringSubmatch(block)
			table, ok := left[m[1]]
			if !ok {
				t.Errorf("%s has a table %q, which no registry writes, or has it twice", doc, m[1])
				return block
			}
			delete(left, m[1])
			return strings.Replace(block, "-->\n"+m[2]+"<!--", "-->\n"+table()+"<!--", 1)
		})
		switch {
		case written == text:
		case *update:
			if err := os.WriteFile(filepath.Join(root, doc), []byte(written), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s differs from the registries: go test ./docs -update (-document +registries):\n%s", doc,
				cmp.Diff(strings.Split(text, "\n"), strings.Split(written, "\n")))
		}
	}
	for name := range left {
		t.Errorf("no document has the table %q", name)
	}
}

func rows(head ...string) *strings.Builder {
	var b strings.Builder
	row(&b, head...)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	return &b
}

func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString(strings.TrimRight("| "+c, " ") + " ")
	}
	b.WriteString("|\n")
}

func code[S ~string](s S) string { return "`" + string(s) + "`" }

func errorTable() string {
	b := rows("code", "status", "again", "meaning")
	for _, s := range chat.KindSpecs() {
		status, again := fmt.Sprint(protocol.Status(s.Kind)), ""
		if s.Kind == chat.Invalid {
			status = "400, " + status
		}
		if s.Retry {
			again = "yes"
		}
		row(b, code(s.Code), status, again, s.Doc)
	}
	return b.String()
}

func webhookTable() string {
	b := rows("type", "when")
	for _, k := range chat.WebhookKinds() {
		row(b, code(k.Kind), k.Doc)
	}
	return b.String()
}

func refusalTable() string {
	b := rows("status", "code", "why")
	for _, r := range protocol.Refusals() {
		row(b, fmt.Sprint(r.Status), code(r.Kind.String()), r.Doc)
	}
	return b.String()
}

// probe begins the names of what test builds add.
const probe = "probe"

// released leaves out the frames of test builds.
func released(specs []protocol.FrameSpec) []protocol.FrameSpec {
	return slices.DeleteFunc(specs, func(s protocol.FrameSpec) bool { return strings.HasPrefix(string(s.Type), probe) })
}

func clientFrameTable() string {
	b := rows("type", "fields", "answer", "what it asks for")
	for _, s := range released(protocol.ClientFrames()) {
		var fields, answers []string
		for _, f := range s.Fields {
			fields = append(fields, mark(f))
		}
		for _, a := range s.Answers {
			answers = append(answers, code(a))
		}
		row(b, code(s.Type), strings.Join(fields, ", "), strings.Join(answers, " or "), s.Doc+needs(s.Feature))
	}
	return b.String()
}

// needs names the feature without which a frame or a field is unknown.
func needs(feature string) string {
	if feature == "" {
		return ""
	}
	return " (feature " + code(feature) + ")"
}

func mark(f protocol.Field) string {
	if f.Optional {
		return f.Name + "?"
	}
	return f.Name
}

func clientFieldTable() string {
	b := rows("field", "value", "")
	seen := map[string]bool{}
	for _, s := range released(protocol.ClientFrames()) {
		for _, f := range s.Fields {
			if !seen[f.Name] {
				row(b, code(f.Name), string(f.Form), f.Doc+needs(f.Feature))
			}
			seen[f.Name] = true
		}
	}
	return b.String()
}

func serverFrameTable() string {
	b := rows("type", "fields", "what it says")
	for _, s := range released(protocol.ServerFrames()) {
		var fields []string
		for _, f := range s.Fields {
			text := mark(f)
			switch {
			case f.Doc == "":
			case strings.ContainsRune("{[", rune(f.Doc[0])):
				text += " " + f.Doc
			default:
				text += " (" + f.Doc + ")"
			}
			fields = append(fields, text)
		}
		row(b, code(s.Type), strings.Join(fields, ", "), s.Doc)
	}
	return b.String()
}

func closeCodeTable() string {
	b := rows("code", "name", "why", "the client")
	for _, s := range protocol.CloseCodes() {
		name := ""
		if s.Name != "" {
			name = code(s.Name)
		}
		row(b, fmt.Sprint(int(s.Code)), name, s.Doc, s.Client)
	}
	return b.String()
}

func limitTable() string {
	b := rows("key", "default", "unit", "of what", "read by")
	for _, s := range chat.LimitSpecs() {
		def := chat.DefaultLimits().Value(s.Key)
		if d, ok := def.(time.Duration); ok {
			def = d.String()
		}
		var by []string
		for _, p := range []struct {
			name string
			is   chat.Readers
		}{{"gateway", chat.ByGateway}, {"worker", chat.ByWorker}, {"api", chat.ByAPI}} {
			if s.By&p.is != 0 {
				by = append(by, p.name)
			}
		}
		row(b, code("limits."+s.Key), code(fmt.Sprint(def)), s.Unit, s.Doc, strings.Join(by, ", "))
	}
	return b.String()
}

var keys = map[envelope.Key]string{
	envelope.ByRoom: "room", envelope.ByUser: "user", envelope.BySocket: "socket", envelope.ByGateway: "any", envelope.ToControl: "`chat.beats`",
}

func commandTable() string {
	b := rows("command", "partition by", "asked for by", "what it asks for")
	for _, s := range envelope.Commands() {
		by := "the gateway"
		if len(s.Frames) > 0 {
			by = code(strings.Join(s.Frames, "`, `"))
		}
		if s.Name != probe {
			row(b, code(s.Name), keys[s.Key], by, s.Doc)
		}
	}
	return b.String()
}

func deliveryTable() string {
	audiences := map[envelope.Audience]string{
		envelope.ForRoom: "a room's sockets", envelope.ForSocket: "a socket", envelope.ForUser: "a user's sockets",
		envelope.ForWatcher: "watchers of presence", envelope.ForGateway: "the gateway",
	}
	b := rows("delivery", "for", "what it is")
	for _, s := range envelope.Deliveries() {
		if !strings.HasPrefix(s.Name, probe) {
			row(b, code(s.Name), audiences[s.For], s.Doc)
		}
	}
	return b.String()
}

func announcementTable() string {
	b := rows("announcement", "partition by", "what it is")
	for _, s := range envelope.Announcements() {
		if s.Kind != probe {
			row(b, code(s.Kind), keys[s.Key], s.Doc)
		}
	}
	return b.String()
}

func rightsTable() string {
	roles := []string{"gateway", "worker", "api", "operator", "migration"}
	b := rows(append([]string{"server", "on what"}, roles...)...)
	for _, n := range grants.Needs() {
		cells := []string{n.Server, n.Object}
		for _, r := range roles {
			cell := n.By[r]
			if n.Server != "MySQL" && cell != "" {
				cell = code(strings.ReplaceAll(cell, "|", `\|`))
			}
			cells = append(cells, cell)
		}
		row(b, cells...)
	}
	return b.String()
}

var paramRE = regexp.MustCompile(`\{[a-z_]+\}`)

// TestRESTTableNamesEveryRoute: the first cells of the table name exactly the routes that the api mounts. In a cell a method alone shares
// the path that follows, and a path alone the method before it.
func TestRESTTableNamesEveryRoute(t *testing.T) {
	bare := func(path string) string {
		path, _, _ = strings.Cut(path, "?")
		return paramRE.ReplaceAllString(path, "{}")
	}
	documented := map[string]bool{}
	for _, r := range table(t, "docs/protocol.md", "## REST") {
		var methods, waiting []string
		for name := range strings.SplitSeq(r[0], ",") {
			method, path, both := strings.Cut(strings.Trim(strings.TrimSpace(name), "`"), " ")
			switch {
			case both:
				methods, waiting = append(waiting, method), nil
			case strings.HasPrefix(method, "/"):
				path = method
			default:
				waiting = append(waiting, method)
				continue
			}
			for _, m := range methods {
				documented[m+" "+bare(path)] = true
			}
		}
	}
	mounted := map[string]bool{}
	for _, r := range api.Routes() {
		mounted[r.Method+" "+bare(r.Path)] = true
	}
	if d := cmp.Diff(mounted, documented); d != "" {
		t.Errorf("the routes (-api +docs/protocol.md):\n%s", d)
	}
}
