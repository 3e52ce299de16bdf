// Package tables_test walks every kind of thing that crosses a wall (frames, commands, deliveries, announcements, errors, limits,
// routes, events, close codes) through every table that needs a row of it, and names the file that lacks one.
//
// The registries are the truth: protocol/kinds.go, envelope/kinds.go, chat/errors.go, chat/limits.go, chat/events.go, protocol/codes.go and
// the api's route table. Tests beside each table look closer at its rows.
package tables_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chat-service/internal/api"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway"
	"chat-service/internal/protocol"
	"chat-service/internal/worker"
	"chat-service/internal/worker/line"
)

// table is a place with one row for each kind of something.
type table struct {
	file string // where the row is to be written
	what string // what the row is
	rows []string
}

// walk compares the kinds of a registry with tables that have a row for each of them, and for nothing else.
func walk(t *testing.T, registry string, kinds []string, tables ...table) {
	t.Helper()
	if len(kinds) == 0 {
		t.Errorf("%s: nothing is registered", registry)
	}
	for _, tab := range tables {
		for _, kind := range kinds {
			switch n := count(tab.rows, kind); {
			case n == 0:
				t.Errorf("%s: %q lacks %s", tab.file, kind, tab.what)
			case n > 1:
				t.Errorf("%s: %q has %d times %s", tab.file, kind, n, tab.what)
			}
		}
		for _, row := range tab.rows {
			if !slices.Contains(kinds, row) {
				t.Errorf("%s: %q has %s, and is not in %s", tab.file, row, tab.what, registry)
			}
		}
	}
}

func count(rows []string, name string) (n int) {
	for _, r := range rows {
		if r == name {
			n++
		}
	}
	return n
}

// names lists a member of each row of a registry.
func names[T any](rows []T, name func(T) string) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = name(r)
	}
	return out
}

func TestClientFrames(t *testing.T) {
	handled := names(gateway.Handled(), func(typ protocol.Type) string { return string(typ) })
	dispatch := dispatched()
	admitted := slices.Clone(handled)
	for _, c := range envelope.Commands() {
		for _, f := range c.Frames {
			if !slices.Contains(admitted, f) { // a message becomes one of two commands
				admitted = append(admitted, f)
			}
		}
		if h, ok := dispatch[c.Kind]; ok && len(c.Frames) > 0 && (!h.Ref || h.Place == worker.Control) {
			t.Errorf("internal/worker/dispatch.go: %s: errors must be answered, since clients ask for it by %s", c.Name, c.Frames)
		}
	}
	frames := names(protocol.ClientFrames(), func(s protocol.FrameSpec) string { return string(s.Type) })
	walk(t, "internal/protocol/kinds.go", frames,
		table{"internal/gateway/admit.go", "a handler of the gateway, or a command that names it (internal/envelope/kinds.go)", admitted},
		table{"docs/protocol.md", "a row that go test ./docs -update writes", withProbe(frames, documented(t, "protocol.md", "client frames"))},
	)
}

func TestServerFrames(t *testing.T) {
	frames := names(protocol.ServerFrames(), func(s protocol.FrameSpec) string { return string(s.Type) })
	var encoded []string
	for _, f := range frames {
		if declares(t, "internal/protocol", "Append"+camel(f)) {
			encoded = append(encoded, f)
		}
	}
	walk(t, "internal/protocol/kinds.go", frames,
		table{"internal/protocol", "an encoder, named Append and the type", encoded},
		table{"docs/protocol.md", "a row that go test ./docs -update writes", withProbe(frames, documented(t, "protocol.md", "server frames"))},
	)
	for _, f := range frames {
		if !sampled(t, "protocol.T"+camel(f)) {
			t.Errorf("internal/protocol/kinds_test.go: %q lacks a sample", f)
		}
		if isProbe(f) {
			continue // what test builds send is written by hand
		}
		if !mentions(t, "internal/gateway", "protocol.Append"+camel(f)) && !mentions(t, "internal/worker", "protocol.Append"+camel(f)) {
			t.Errorf("internal/gateway, internal/worker: nobody sends %q", f)
		}
	}
	for _, spec := range protocol.ClientFrames() {
		for _, a := range spec.Answers {
			if !slices.Contains(frames, string(a)) {
				t.Errorf("internal/protocol/kinds.go: %s is answered by %q, which no server sends", spec.Type, a)
			}
		}
	}
}

func dispatched() map[envelope.CommandKind]worker.Handling {
	all := map[envelope.CommandKind]worker.Handling{}
	for _, h := range worker.Handled() {
		all[h.Kind] = h
	}
	return all
}

func TestCommands(t *testing.T) {
	commands := names(envelope.Commands(), func(c envelope.CommandSpec) string { return c.Name })
	walk(t, "internal/envelope/kinds.go", commands,
		table{"internal/worker/dispatch.go", "a row of the dispatch table", names(worker.Handled(), func(h worker.Handling) string { return h.Kind.String() })},
		table{"docs/bus.md", "a row that go test ./docs -update writes", withProbe(commands, documented(t, "bus.md", "commands"))},
	)
	frames := names(protocol.ClientFrames(), func(s protocol.FrameSpec) string { return string(s.Type) })
	dispatch := dispatched()
	for _, c := range envelope.Commands() {
		h := dispatch[c.Kind]
		switch {
		case slices.ContainsFunc(c.Frames, func(f string) bool { return !slices.Contains(frames, f) }):
			t.Errorf("internal/protocol/kinds.go: %s is asked for by one of %q, which is no frame", c.Name, c.Frames)
		case len(c.Frames) == 0 && h.Ref:
			t.Errorf("internal/worker/dispatch.go: %s: the gateway asks for it, and waits for no error", c.Name)
		case len(c.Frames) == 0 && !mentions(t, "internal/gateway", "envelope."+camel(c.Name)):
			t.Errorf("internal/gateway: nobody asks for %s", c.Name)
		}
		if (c.Key == envelope.ToControl) != (h.Place == worker.Control) {
			t.Errorf("internal/worker/dispatch.go: %s is handled %s, which is not where its key leads", c.Name, h.Place)
		}
		if h.Place == worker.InLine && c.Key != envelope.ByRoom {
			t.Errorf("internal/worker/dispatch.go: %s goes through a room's line and doesn't travel with its room", c.Name)
		}
	}
}

func TestDeliveries(t *testing.T) {
	deliveries := names(envelope.Deliveries(), func(d envelope.DeliverySpec) string { return d.Name })
	walk(t, "internal/envelope/kinds.go", deliveries,
		table{"internal/gateway/deliver.go", "what the gateway does with it", names(gateway.Applied(), envelope.DeliveryKind.String)},
		table{"docs/bus.md", "a row that go test ./docs -update writes", withProbe(deliveries, documented(t, "bus.md", "deliveries"))},
	)
	for _, d := range deliveries {
		if !mentions(t, "internal/worker", "envelope."+camel(d)) {
			t.Errorf("internal/worker: nobody sends %s", d)
		}
	}
}

func TestAnnouncements(t *testing.T) {
	text := func(k envelope.AnnouncementKind) string { return string(k) }
	announcements := names(envelope.Announcements(), func(a envelope.AnnouncementSpec) string { return text(a.Kind) })
	walk(t, "internal/envelope/kinds.go", announcements,
		table{"internal/worker/line/announce.go", "how it is announced", names(line.Announced(), text)},
		table{"docs/bus.md", "a row that go test ./docs -update writes", withProbe(announcements, documented(t, "bus.md", "announcements"))},
	)
}

// TestMessageFields: a field of a message is shown to clients, and what a sender writes comes by a frame and a command. Where messages
// are stored, tests beside the code compare the fields: store/table, store/storetest, state, envelope.
func TestMessageFields(t *testing.T) {
	lacks := func(field string, typ reflect.Type) bool { _, ok := typ.FieldByName(field); return !ok }
	for f := range fields(reflect.TypeFor[chat.Message](), "Ord") { // what unread counts are made of
		if lacks(f, reflect.TypeFor[protocol.Message]()) {
			t.Errorf("internal/protocol/message.go: Message lacks %s", f)
		}
	}
	for f := range fields(reflect.TypeFor[chat.Send](), "Sender", "Session", "Refused") { // what the servers know
		if lacks(f, reflect.TypeFor[protocol.Frame]()) {
			t.Errorf("internal/protocol/frame.go: Frame lacks %s", f)
		}
		if lacks(f, reflect.TypeFor[envelope.Command]()) {
			t.Errorf("internal/envelope/command.go: Command lacks %s", f)
		}
		if f != "ClientSeq" && lacks(f, reflect.TypeFor[chat.Message]()) { // which a session counts for itself
			t.Errorf("internal/chat/message.go: Message lacks %s", f)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	named := map[protocol.CloseCode]bool{}
	for _, c := range protocol.CloseCodes() {
		named[c.Code] = c.Name != ""
	}
	again := map[bool]string{true: "yes", false: ""}
	docs := rowsOf(t, "protocol.md", "errors")
	for _, s := range chat.KindSpecs() {
		status, closes := protocol.Status(s.Kind), protocol.CloseFor(&chat.Error{Kind: s.Kind})
		if status < 400 || (status == protocol.Status(chat.Internal)) != (s.Kind == chat.Internal) {
			t.Errorf("internal/protocol/problem.go: %s has no row with a status of its own: %d", s.Code, status)
		}
		if !named[closes] {
			t.Errorf("internal/protocol/problem.go: %s closes sockets with %d, which the gateway doesn't send", s.Code, closes)
		}
		i := slices.IndexFunc(docs, func(cells []string) bool { return cells[0] == s.Code })
		if i < 0 || !strings.Contains(docs[i][1], fmt.Sprint(status)) || docs[i][2] != again[s.Retry] {
			t.Errorf("docs/protocol.md: %s has no row, or another status or retry than the code: go test ./docs -update", s.Code)
		}
	}
	walk(t, "internal/chat/errors.go", names(chat.Kinds(), chat.Kind.String),
		table{"internal/chat/errors.go", "a row of kinds", names(chat.KindSpecs(), func(s chat.KindSpec) string { return s.Code })},
		table{"docs/protocol.md", "a row that go test ./docs -update writes", documented(t, "protocol.md", "errors")},
	)
}

func TestCloseCodes(t *testing.T) {
	code := func(c protocol.CloseSpec) string { return fmt.Sprint(int(c.Code)) }
	walk(t, "internal/protocol/codes.go", names(protocol.CloseCodes(), code),
		table{"docs/protocol.md", "a row that go test ./docs -update writes", documented(t, "protocol.md", "close codes")})
}

func TestLimits(t *testing.T) {
	for process, by := range map[string]chat.Readers{"gateway": chat.ByGateway, "worker": chat.ByWorker, "api": chat.ByAPI} {
		file := "configs/" + process + ".yaml"
		keys, err := config.FileKeys(root + file)
		if err != nil {
			t.Fatal(err)
		}
		keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, "limits.") })
		read := names(chat.LimitKeys(by), func(k string) string { return "limits." + k })
		walk(t, "internal/chat/limits.go", read, table{file, "a key with the default", keys})
	}
	limits := names(chat.LimitSpecs(), func(s chat.LimitSpec) string { return "limits." + s.Key })
	walk(t, "internal/chat/limits.go", limits,
		table{"docs/configuration.md", "a row that go test ./docs -update writes", documented(t, "configuration.md", "limits")})
	for _, s := range chat.LimitSpecs() {
		if s.By == 0 || reflect.ValueOf(chat.DefaultLimits().Value(s.Key)).IsZero() != s.Off {
			t.Errorf("internal/chat/limits.go: %s has no default, or nobody reads it", s.Key)
		}
	}
}

func TestRoutes(t *testing.T) {
	var routes []string
	for _, r := range api.Routes() {
		routes = append(routes, r.Method+" "+bare(r.Path))
	}
	walk(t, "internal/api/routes.go", routes,
		table{"internal/api/testdata/openapi.txt", "a line that go test ./internal/api -run Contract -args -update writes", contract(t)},
		table{"docs/protocol.md", "a cell in the table of REST", slices.Sorted(maps.Keys(rest(t)))},
	)
}

func TestEvents(t *testing.T) {
	_, listed, _ := strings.Cut(read(t, "docs/protocol.md"), "`event` (")
	listed, _, _ = strings.Cut(listed, ")")
	var documented []string
	for name := range strings.SplitSeq(listed, ", ") {
		documented = append(documented, strings.Trim(name, "`"))
	}
	walk(t, "internal/chat/events.go", names(chat.Events(), func(e chat.EventSpec) string { return string(e.Name) }),
		table{"docs/protocol.md", "its name, where messages of the kind system are described", documented})
	for _, e := range chat.Events() {
		if e.Name == chat.EventSaid { // no room's change: the api makes its content
			if !mentions(t, "internal/api/rooms", "chat.SaidContent") {
				t.Error("internal/api/rooms: nothing writes the event said")
			}
			continue
		}
		for _, store := range []string{"internal/store/rooms", "internal/store/fakestore"} {
			if !mentions(t, store, "chat.Event"+camel(string(e.Name))) {
				t.Errorf("%s: nothing writes the event %s", store, e.Name)
			}
		}
	}
}
