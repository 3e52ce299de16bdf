package road

import (
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// module is what import paths of the product, and its files in a coverage profile, begin with.
const module = "chat-service/"

// counts is how often each block of statements ran, by where it begins.
type counts map[block]uint64

type block struct {
	file         string // from the repository's root
	line, column int
}

var profileRE = regexp.MustCompile(`^(.+):(\d+)\.(\d+),\d+\.\d+ \d+ (\d+)$`)

// readProfile reads coverage data in the form that `go tool covdata textfmt` writes.
func readProfile(r io.Reader) (counts, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	cs := counts{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "mode:") {
			continue
		}
		m := profileRE.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("not a line of a coverage profile: %q", line)
		}
		at := block{file: strings.TrimPrefix(m[1], module)}
		at.line, _ = strconv.Atoi(m[2])
		at.column, _ = strconv.Atoi(m[3])
		n, err := strconv.ParseUint(m[4], 10, 64)
		if err != nil {
			return nil, err
		}
		cs[at] += n
	}
	return cs, nil
}

// share is how many of the messages a function has to run for. A function of the road runs for each, unless two of them share a
// write to Redis; what runs now and then runs for a fifth of them, or fewer.
const share = 0.5

// executed finds the functions that run for every message: those with a block that ran more often between before and after, while
// the messages were sent, than between after and idle, the same time without any. A loop that never ends and a function value
// belong to the function around them, and that counts as a whole. What runs about as often without messages is no part of the road,
// however often that is: a block that a ticker runs for each of 64 shards differs by more than the messages if one tick more falls into
// the one time than into the other.
func executed(src source, before, after, idle counts, messages int) map[*function]bool {
	runs := map[*function]float64{}
	for at, n := range idle {
		if f := src.at(at.file, at.line); f != nil && !leftOut(f.file) {
			ran := float64(after[at] - before[at])
			if extra := ran - float64(n-after[at]); extra >= share*ran {
				runs[f] = max(runs[f], extra)
			}
		}
	}
	found := map[*function]bool{}
	for f, n := range runs {
		if n >= share*float64(messages) {
			found[f] = true
		}
	}
	return found
}

// leftOut tells which files aren't part of the road although every message passes them: telemetry, which is that package and the
// metrics.go in which a package keeps its counters, and the hooks for planted faults, which do nothing in a release.
func leftOut(file string) bool {
	dir, base := path.Split(file)
	return dir == "internal/telemetry/" || base == "metrics.go" || dir == "internal/faults/" || strings.HasPrefix(base, "faults")
}
