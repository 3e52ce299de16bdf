//go:build e2e

package road

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"chat-service/internal/test/testkit"
)

var table = flag.Bool("table", false, "print the road, and what is executed and not named")

func TestNarrativeIsWhatIsExecuted(t *testing.T) {
	src, n, _ := told(t)
	var ran ran
	if !t.Run("measure", func(t *testing.T) { ran = measure(t, testkit.Root(t), src) }) { // its processes have ended when it returns
		return
	}
	if *table {
		n.print(src)
		printUnnamed(src, n, ran)
	}
	for _, f := range inOrder(n.at) {
		at := n.at[f]
		switch by := ran.by(f); {
		case by == "":
			t.Errorf("named and not executed: stop %d, %s: no message needs it", at.number, f)
		case !strings.Contains(by, at.program()):
			t.Errorf("named at stop %d, which is the %s's, and executed by the %s: %s", at.number, at.program(), by, f)
		}
	}
	for _, f := range inOrder(ran["gateway"], ran["worker"]) {
		if n.at[f] == nil {
			t.Errorf("executed and not named: %s, %d lines, by the %s", f, f.lines(), ran.by(f))
		}
	}
}

// ran is what each program executed for every message.
type ran map[string]map[*function]bool

// by names the programs that executed a function.
func (r ran) by(f *function) string {
	var names []string
	for _, program := range measured {
		if r[program][f] {
			names = append(names, program)
		}
	}
	return strings.Join(names, " and ")
}

// inOrder are the functions of the sets by file and line, each once.
func inOrder[V any](sets ...map[*function]V) (fs []*function) {
	for _, set := range sets {
		for f := range set {
			fs = append(fs, f)
		}
	}
	slices.SortFunc(fs, func(a, b *function) int {
		if c := strings.Compare(a.file, b.file); c != 0 {
			return c
		}
		return a.first - b.first
	})
	return slices.Compact(fs)
}

// print shows the narrative as a table, with its sums and their limits.
func (n *narrative) print(src source) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "stop\tfile\tlines\tfunctions")
	opened := map[string]bool{}
	last := ""
	for _, s := range n.stops {
		name := fmt.Sprintf("%d %s", s.number, s.name)
		for _, st := range s.steps {
			lines := 0
			for _, f := range st.names {
				for _, f := range src.named(st.file, f) {
					lines += f.lines()
				}
			}
			again := ""
			if opened[st.file] && last != st.file {
				again = " (return)"
			}
			opened[st.file], last = true, st.file
			fmt.Fprintf(w, "%s\t%s%s\t%d\t%s\n", name, st.file, again, lines, strings.Join(st.names, " "))
			name = ""
		}
	}
	_ = w.Flush()
	files, lines, returns := n.size()
	fmt.Printf("\n%d functions in %d files (at most %d), %d lines (%d), %d returns (%d)\n",
		len(n.at), files, maxFiles, lines, maxLines, returns, maxReturns)
}

// printUnnamed shows what is executed and not named as lines of the narrative, in the order of the files.
func printUnnamed(src source, n narrative, r ran) {
	file, by := "", ""
	for _, f := range inOrder(r["gateway"], r["worker"]) {
		if n.at[f] != nil {
			continue
		}
		if file == "" {
			fmt.Print("\nexecuted and not named:")
		}
		if file != f.file || by != r.by(f) {
			file, by = f.file, r.by(f)
			fmt.Printf("\n(%s) %s ", by, strings.TrimPrefix(f.file, "internal/"))
		}
		fmt.Print(" ", src.label(f))
	}
	if file != "" {
		fmt.Println()
	}
}
