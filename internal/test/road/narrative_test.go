package road

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// stops are the names of the thirteen stops, in order.
var stops = []string{
	"read", "decode", "admit", "publish", "consume", "dispatch", "decide", "commit", "count", "route", "publish", "deliver", "write",
}

// Stops 5 to 11 are the worker's, those before and after them the gateway's.
const (
	workerFirst = 5
	workerLast  = 11
)

// stop is one of the stops as ARCHITECTURE.md narrates it.
type stop struct {
	number int
	name   string
	steps  []step
}

// program is the program that a stop belongs to.
func (s *stop) program() string {
	if s.number >= workerFirst && s.number <= workerLast {
		return "worker"
	}
	return "gateway"
}

// step is a file and the functions that one reads there before going on to another file.
type step struct {
	file  string   // from the repository's root: internal/worker/send.go
	names []string // decide, or committer.run where the file has several functions of that name
}

var (
	sectionRE = regexp.MustCompile(`(?s)\n## The road of a message\n(.*?)(?:\n## |\z)`)
	headingRE = regexp.MustCompile(`^### (\d+)\. (\w+)`)
	nameRE    = regexp.MustCompile(`^(?:[A-Za-z_]\w*\.)?[A-Za-z_]\w*$`)
)

// parse reads the narrative out of ARCHITECTURE.md: below the heading of each stop a block
//
//	```road
//	worker/send.go    send → decide → commit
//	store/append.go   Append
//	```
//
// Paths are relative to internal, those in cmd to the repository's root. An indented line continues the one above it.
func parse(text string) ([]stop, error) {
	section := sectionRE.FindStringSubmatch(text)
	if section == nil {
		return nil, errors.New("there is no section “The road of a message”")
	}
	var all []stop
	inBlock := false
	for line := range strings.Lines(section[1]) {
		line = strings.TrimRight(line, " \n")
		heading := headingRE.FindStringSubmatch(line)
		switch {
		case inBlock && line == "```":
			inBlock = false
		case inBlock:
			if err := all[len(all)-1].parse(line); err != nil {
				return nil, err
			}
		case line == "```road" && len(all) == 0:
			return nil, errors.New("there is a block before the first stop")
		case line == "```road":
			inBlock = true
		case heading != nil:
			n, err := strconv.Atoi(heading[1])
			if err != nil {
				return nil, err
			}
			all = append(all, stop{number: n, name: heading[2]})
		}
	}
	if inBlock {
		return nil, fmt.Errorf("the block of stop %d has no end", all[len(all)-1].number)
	}
	return all, nil
}

// parse reads one line of the stop's block.
func (s *stop) parse(line string) error {
	fields := strings.Fields(strings.ReplaceAll(line, "→", " "))
	switch {
	case len(fields) == 0:
		return nil
	case !strings.HasPrefix(line, " "):
		file := fields[0]
		if !strings.HasSuffix(file, ".go") {
			return fmt.Errorf("stop %d, %q: the line doesn't begin with a Go file", s.number, line)
		}
		if !strings.HasPrefix(file, "cmd/") {
			file = "internal/" + file
		}
		s.steps = append(s.steps, step{file: file})
		fields = fields[1:]
	case len(s.steps) == 0:
		return fmt.Errorf("stop %d, %q: there is no line above to continue", s.number, line)
	}
	last := &s.steps[len(s.steps)-1]
	for _, name := range fields {
		if !nameRE.MatchString(name) || strings.HasSuffix(name, ".go") {
			return fmt.Errorf("stop %d, %q: %q isn't the name of a function", s.number, line, name)
		}
		last.names = append(last.names, name)
	}
	return nil
}

// narrative is the road as it is told, resolved to functions.
type narrative struct {
	stops []stop
	at    map[*function]*stop // where a function is named
	files []string            // in the order in which they are opened, one more time for every return
}

// resolve finds the functions that the stops name. errs lists all that is wrong; the narrative is what could be resolved.
func resolve(src source, all []stop) (n narrative, errs []error) {
	n = narrative{stops: all, at: map[*function]*stop{}}
	for i := range all {
		s := &all[i]
		if len(s.steps) == 0 {
			errs = append(errs, fmt.Errorf("stop %d, %s, names no function", s.number, s.name))
		}
		for _, st := range s.steps {
			if len(n.files) == 0 || n.files[len(n.files)-1] != st.file {
				n.files = append(n.files, st.file)
			}
			if len(st.names) == 0 {
				errs = append(errs, fmt.Errorf("stop %d names %s and no function in it", s.number, st.file))
			}
			for _, name := range st.names {
				if err := n.add(src, s, st.file, name); err != nil {
					errs = append(errs, err)
				}
			}
		}
	}
	return n, errs
}

func (n *narrative) add(src source, s *stop, file, name string) error {
	found := src.named(file, name)
	switch len(found) {
	case 0:
		return fmt.Errorf("stop %d names %s in %s, which has no such function", s.number, name, file)
	case 1:
	default:
		var full []string
		for _, f := range found {
			full = append(full, f.full())
		}
		return fmt.Errorf("stop %d names %s in %s: say which, %s", s.number, name, file, strings.Join(full, " or "))
	}
	f := found[0]
	if before := n.at[f]; before != nil {
		return fmt.Errorf("stop %d names %s again, stop %d did: a function is named once, where it is needed first", s.number, f, before.number)
	}
	n.at[f] = s
	return nil
}

// size sums up the road: files, lines of the functions, and returns to a file that was left before.
func (n *narrative) size() (files, lines, returns int) {
	distinct := map[string]bool{}
	for _, f := range n.files {
		distinct[f] = true
	}
	for f := range n.at {
		lines += f.lines()
	}
	return len(distinct), lines, len(n.files) - len(distinct)
}
