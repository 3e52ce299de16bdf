package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// lookWithin bounds a look-up.
const lookWithin = 30 * time.Second

// streams are where a command writes: results to out, progress to err.
type streams struct{ out, err io.Writer }

// printJSON writes v, indented.
func (s *streams) printJSON(v any) error {
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printRows writes a table; the first row is its head.
func (s *streams) printRows(rows [][]string) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// say writes a line of progress or advice.
func (s *streams) say(format string, args ...any) { _, _ = fmt.Fprintf(s.err, format+"\n", args...) }

// withProgress runs fn and meanwhile prints the text of progress at every interval.
func (s *streams) withProgress(every time.Duration, progress func(elapsed time.Duration) string, fn func() error) error {
	done := make(chan struct{})
	ended := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				s.say("%s", progress(time.Since(began).Round(time.Second)))
			}
		}
	}()
	err := fn()
	close(done)
	<-ended
	return err
}

// timeText formats a time for tables; the zero time is "".
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
