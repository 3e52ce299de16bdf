// Package docs_test holds the documents to what they speak of: links, frames, codes, keys, metrics and commands.
package docs_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/protocol"
)

const root = ".."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents lists every Markdown file of the project's root and of docs.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			rel, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rel)
		}
	}
	if len(all) < 10 {
		t.Fatalf("found only %v", all)
	}
	return all
}

var (
	fenceRE   = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	linkRE    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingRE = regexp.MustCompile(`(?m)^(#+) (.+)$`)
	codeRE    = regexp.MustCompile("`([^`\n]+)`")
)

// prose is a document without its fenced blocks.
func prose(text string) string { return fenceRE.ReplaceAllString(text, "") }

// anchors are the fragments that a document's headings make.
func anchors(text string) []string {
	var as []string
	for _, h := range headingRE.FindAllStringSubmatch(prose(text), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(h[2]) {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		as = append(as, b.String())
	}
	return as
}

func TestLinksResolve(t *testing.T) {
	for _, doc := range documents(t) {
		for _, m := range linkRE.FindAllStringSubmatch(prose(read(t, doc)), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			path := doc
			if target != "" {
				path = filepath.Join(filepath.Dir(doc), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
				continue
			}
			if fragment != "" && !slices.Contains(anchors(read(t, path)), fragment) {
				t.Errorf("%s links to %s: no such heading", doc, m[1])
			}
		}
	}
}

// blocks are the fenced blocks of a document whose info string is info.
func blocks(t *testing.T, doc, info string) []string {
	t.Helper()
	var bs []string
	for _, m := range fenceRE.FindAllStringSubmatch(read(t, doc), -1) {
		if m[1] == info {
			bs = append(bs, strings.TrimSpace(m[2]))
		}
	}
	if len(bs) == 0 {
		t.Fatalf("%s has no block %q", doc, info)
	}
	return bs
}

// table lists the rows of the table under a heading: cells without backticks around them.
func table(t *testing.T, doc, heading string) [][]string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, doc), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", doc, heading)
	}
	var rows [][]string
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "#") {
			break
		}
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("%s: no table under %q", doc, heading)
	}
	return rows[2:]
}

func firstCells(rows [][]string) []string {
	var cells []string
	for _, r := range rows {
		cells = append(cells, r[0])
	}
	return cells
}

func TestClientFramesDecode(t *testing.T) {
	var lines []string
	for _, b := range blocks(t, "docs/protocol.md", "json client") {
		lines = append(lines, strings.Split(b, "\n")...)
	}
	for _, readme := range []string{"README.md", "README.zh-CN.md"} {
		lines = append(lines, blocks(t, readme, "json")...)
	}
	shown := map[string]bool{}
	for _, line := range lines {
		f, err := protocol.Decode([]byte(line), protocol.DefaultLimits(), protocol.AllFeatures())
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		shown[string(f.Type)] = true
	}
	for _, typ := range firstCells(table(t, "docs/protocol.md", "### Frames from the client")) {
		if !shown[typ] {
			t.Errorf("no example of %s", typ)
		}
		delete(shown, typ)
	}
	for typ := range shown {
		t.Errorf("%s is shown and not in the table", typ)
	}
}

func TestServerFramesAreOfTheTable(t *testing.T) {
	fields := map[string]string{}
	for _, row := range table(t, "docs/protocol.md", "### Frames from the server") {
		fields[row[0]] = row[1]
	}
	for _, b := range blocks(t, "docs/protocol.md", "json server") {
		for line := range strings.SplitSeq(b, "\n") {
			var f map[string]any
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			typ, _ := f["type"].(string)
			named, ok := fields[typ]
			if !ok {
				t.Errorf("%s is not in the table", typ)
			}
			for name := range f {
				if name != "type" && !strings.Contains(named, name) {
					t.Errorf("%s: the table does not name the field %s", typ, name)
				}
			}
		}
	}
}

func TestErrorCodesAreAll(t *testing.T) {
	got := map[string]bool{}
	for _, row := range table(t, "docs/protocol.md", "### Errors") {
		got[row[0]] = row[2] == "yes"
	}
	want := map[string]bool{}
	for _, k := range chat.Kinds() {
		want[k.String()] = k.Retry()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error codes and whether to try again (-code +document):\n%s", diff)
	}
}

func TestCloseCodesSayWhatToDo(t *testing.T) {
	told := map[protocol.CloseCode]string{}
	for _, row := range table(t, "docs/protocol.md", "### Close codes") {
		for cell := range strings.SplitSeq(row[0], ",") {
			if n, err := strconv.Atoi(strings.TrimSpace(cell)); err == nil {
				told[protocol.CloseCode(n)] = row[3]
			}
		}
	}
	for n := protocol.CloseCode(1000); n < 5000; n++ {
		does, documented := told[n]
		if n.String() != "" && !documented {
			t.Errorf("close code %d (%s) is not documented", n, n)
		}
		if documented && n.String() != "" && n.Retry() == strings.HasPrefix(does, "stops") {
			t.Errorf("close code %d: the document says %q, the code says retry %t", n, does, n.Retry())
		}
	}
}

func TestReadmesAgree(t *testing.T) {
	en, zh := read(t, "README.md"), read(t, "README.zh-CN.md")
	levels := func(text string) (ls []int) {
		for _, h := range headingRE.FindAllStringSubmatch(prose(text), -1) {
			ls = append(ls, len(h[1]))
		}
		return ls
	}
	if diff := cmp.Diff(levels(en), levels(zh)); diff != "" {
		t.Errorf("levels of headings (-en +zh):\n%s", diff)
	}
	comment := regexp.MustCompile(` +# .*`)
	code := func(text string) (cs []string) {
		for _, m := range fenceRE.FindAllStringSubmatch(text, -1) {
			cs = append(cs, m[1]+"\n"+comment.ReplaceAllString(m[2], ""))
		}
		return cs
	}
	if diff := cmp.Diff(code(en), code(zh)); diff != "" {
		t.Errorf("blocks of code (-en +zh):\n%s", diff)
	}
	names := func(text string) (ns []string) {
		for _, m := range codeRE.FindAllStringSubmatch(prose(text), -1) {
			ns = append(ns, m[1])
		}
		slices.Sort(ns)
		return ns
	}
	if diff := cmp.Diff(names(en), names(zh)); diff != "" {
		t.Errorf("names in the text (-en +zh):\n%s", diff)
	}
}

func TestMakeTargetsExist(t *testing.T) {
	makefile := read(t, "Makefile")
	target := regexp.MustCompile(`\bmake ([a-z][a-z0-9-]*)`)
	for _, doc := range documents(t) {
		text := read(t, doc)
		var said []string
		for _, m := range codeRE.FindAllStringSubmatch(prose(text), -1) {
			said = append(said, m[1])
		}
		for _, m := range fenceRE.FindAllStringSubmatch(text, -1) {
			said = append(said, m[2])
		}
		for _, m := range target.FindAllStringSubmatch(strings.Join(said, "\n"), -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names `make %s`, which the Makefile does not have", doc, m[1])
			}
		}
	}
}

func TestConfigurationNamesEveryKey(t *testing.T) {
	text := read(t, "docs/configuration.md")
	keys := config.Keys(&struct {
		Server   config.Server   `yaml:"server"`
		Database config.Database `yaml:"database"`
		Redis    config.Redis    `yaml:"redis"`
		RabbitMQ config.RabbitMQ `yaml:"rabbitmq"`
		JWT      config.JWT      `yaml:"jwt"`
		Debug    config.Debug    `yaml:"debug"`
		Log      config.Log      `yaml:"log"`
	}{})
	for _, key := range keys {
		if !strings.Contains(text, "`"+key+"`") {
			t.Errorf("docs/configuration.md does not name %s", key)
		}
	}
}

func TestConfigurationNamesEveryFileKey(t *testing.T) {
	text := read(t, "docs/configuration.md")
	files, err := filepath.Glob(filepath.Join(root, "configs", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("configs holds no file")
	}
	for _, f := range files {
		keys, err := config.FileKeys(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("docs/configuration.md does not name %s of %s", key, filepath.Base(f))
			}
		}
	}
}

func TestMetricsExist(t *testing.T) {
	var sources []string
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "metrics.go" {
			return err
		}
		b, err := os.ReadFile(path)
		sources = append(sources, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bchat_([a-z]+)_([a-z_]+)\b`).FindAllStringSubmatch(read(t, "docs/operations.md"), -1)
	if len(names) < 10 {
		t.Fatalf("docs/operations.md names only %v", names)
	}
	for _, m := range names {
		counted := slices.ContainsFunc(sources, func(text string) bool {
			ours := strings.Contains(text, `Subsystem: "`+m[1]+`"`) || strings.Contains(text, `"chat_`+m[1]+`_`)
			return ours && (strings.Contains(text, `"`+m[2]+`"`) || strings.Contains(text, `"`+m[0]+`"`))
		})
		if !counted {
			t.Errorf("docs/operations.md names %s, which no metrics.go counts", m[0])
		}
	}
}
