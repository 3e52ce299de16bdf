package stack

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Progress prints what a run is doing, one line each, with the time since it began. A nil Progress is silent.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

// NewProgress starts the clock; lines go to out.
func NewProgress(out io.Writer) *Progress { return &Progress{out: out, start: time.Now()} }

// Say prints one line about the named part.
func (p *Progress) Say(name, format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "[%5.1fs] %-9s %s\n", time.Since(p.start).Seconds(), name, fmt.Sprintf(format, args...))
}

// Raw prints text as it is, between two lines of progress.
func (p *Progress) Raw(text string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.out, text)
}

// Elapsed is the time since the run began.
func (p *Progress) Elapsed() time.Duration { return time.Since(p.start) }

// tail returns the last lines of a file, indented for an error text.
func tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return "    (no log: " + err.Error() + ")"
	}
	defer f.Close()
	const window = 16 << 10
	if st, err := f.Stat(); err == nil && st.Size() > window {
		_, _ = f.Seek(-window, io.SeekEnd)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return "    (no log: " + err.Error() + ")"
	}
	b = bytes.TrimRight(b, "\n")
	if len(b) == 0 {
		return "    (the log is empty)"
	}
	all := strings.Split(string(b), "\n")
	return "    " + strings.Join(all[max(0, len(all)-lines):], "\n    ")
}

// failed is the error of a process that did not start: what happened, the end of its log, and where the log is.
func (p *Proc) failed(what string) error {
	return fmt.Errorf("%s %s; the end of %s:\n%s", p.name, what, p.log, tail(p.log, 15))
}
