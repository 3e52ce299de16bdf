package road

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These tests show that the rules find what they are for.

const aFile = `package line

type committer struct{}

func (c *committer) run() {
	for {
		step()
	}
}

func step() {
	func() {}()
}

type station[T any] struct{}

func (s station[T]) run() {}
`

func aSource(t *testing.T) source {
	t.Helper()
	src := source{}
	for _, file := range []string{"internal/worker/line.go", "internal/worker/metrics.go", "internal/worker/faults.go", "cmd/worker/main.go"} {
		if err := src.add(file, file, aFile); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

// section is a document with these lines as the road.
func section(lines ...string) string {
	return "# Title\n\n## The road of a message\n\n" + strings.Join(lines, "\n") + "\n\n## Another section\n\n```road\nnot/read.go x\n```\n"
}

func TestParse(t *testing.T) {
	got, err := parse(section(
		"### 5. consume — `broker/consume.go`", "", "Text with `code`.", "", "```road",
		"broker/consume.go     receive → Delivery.Live", "                      ack",
		"cmd/worker/main.go    main", "```", "", "- *Text.*", "### 6. dispatch"))
	if err != nil {
		t.Fatal(err)
	}
	want := []stop{
		{5, "consume", []step{{"internal/broker/consume.go", []string{"receive", "Delivery.Live", "ack"}}, {"cmd/worker/main.go", []string{"main"}}}},
		{6, "dispatch", nil},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(stop{}, step{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for what, text := range map[string]string{
		"no section":              "# Title\n",
		"block before the first":  section("```road", "a.go x", "```"),
		"has no end":              section("### 1. read", "```road", "a.go x"),
		"doesn't begin with a Go": section("### 1. read", "```road", "readme.md x", "```"),
		"no line above":           section("### 1. read", "```road", "  x", "```"),
		"\"x()\" isn't the name":  section("### 1. read", "```road", "a.go x()", "```"),
		"\"b.go\" isn't the name": section("### 1. read", "```road", "a.go x b.go y", "```"),
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want an error that says “%s”", err, what)
		}
	}
}

func TestResolve(t *testing.T) {
	all, err := parse(section("### 5. consume", "```road", "worker/line.go  step → committer.run", "cmd/worker/main.go  step", "```",
		"### 6. dispatch", "```road", "cmd/worker/main.go  station.run", "worker/line.go  station.run", "```"))
	if err != nil {
		t.Fatal(err)
	}
	n, errs := resolve(aSource(t), all)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if files, lines, returns := n.size(); files != 2 || lines != 5+3+3+1+1 || returns != 1 {
		t.Errorf("%d files, %d lines, %d returns; want 2, 13, 1", files, lines, returns)
	}
	if s := n.stops[0]; s.program() != "worker" {
		t.Errorf("stop 5 is the %s's", s.program())
	}
}

func TestResolveRefuses(t *testing.T) {
	for what, lines := range map[string][]string{
		"names no function":              {"```road", "```"},
		"and no function in it":          {"```road", "worker/line.go", "```"},
		"no such function":               {"```road", "worker/line.go  commit", "```"},
		"committer.run or station.run":   {"```road", "worker/line.go  run", "```"},
		"step again, stop 1 did":         {"```road", "worker/line.go  step → step", "```"},
		"internal/worker/elsewhere.go, ": {"```road", "worker/elsewhere.go  step", "```"},
	} {
		all, err := parse(section(append([]string{"### 1. read"}, lines...)...))
		if err != nil {
			t.Fatal(err)
		}
		if _, errs := resolve(aSource(t), all); len(errs) != 1 || !strings.Contains(errs[0].Error(), what) {
			t.Errorf("got %v, want an error that says “%s”", errs, what)
		}
	}
}

func TestExecuted(t *testing.T) {
	src := aSource(t)
	at := func(text string) counts {
		t.Helper()
		cs, err := readProfile(strings.NewReader("mode: atomic\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		return cs
	}
	// committer.run was entered once and loops for every message; step runs so often anyway; the others are left out or don't run.
	// A ticker that went round its 64 shards once more with messages than without isn't on the road either.
	before := at("chat-service/internal/worker/line.go:5.27,6.6 1 1\nchat-service/internal/worker/line.go:6.6,8.3 1 50\n")
	after := at("chat-service/internal/worker/line.go:5.27,6.6 1 1\nchat-service/internal/worker/line.go:6.6,8.3 1 149\n" +
		"chat-service/internal/worker/line.go:11.13,13.2 1 100\nchat-service/internal/worker/metrics.go:11.13,13.2 1 100\n" +
		"chat-service/internal/worker/faults.go:11.13,13.2 1 100\nchat-service/cmd/worker/main.go:11.13,13.2 1 6400\n")
	idle := at("chat-service/internal/worker/line.go:5.27,6.6 1 1\nchat-service/internal/worker/line.go:6.6,8.3 1 150\n" +
		"chat-service/internal/worker/line.go:11.13,13.2 1 180\nchat-service/internal/worker/metrics.go:11.13,13.2 1 100\n" +
		"chat-service/internal/worker/faults.go:11.13,13.2 1 100\nchat-service/cmd/worker/main.go:11.13,13.2 1 12736\n")
	var got []string
	for f := range executed(src, before, after, idle, 100) {
		got = append(got, f.String())
	}
	if diff := cmp.Diff([]string{"internal/worker/line.go committer.run"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := readProfile(strings.NewReader("line.go 5 1\n")); err == nil {
		t.Error("a line that isn't a profile's is passed over")
	}
}
