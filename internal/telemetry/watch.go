package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// The pauses between two looks for permanent failures: while one is there, or may be coming up, and while all is well. A look asks every
// server; each second of it was a fifth of what an idle process used.
const (
	watchEvery = time.Second
	watchIdle  = 10 * time.Second
)

// lasting is an error that waiting doesn't mend (chat.PermanentError); its text says what to do.
type lasting interface {
	error
	Permanent() bool
}

// Watch looks at the checks for failures that waiting doesn't mend, such as a wrong password. It logs each once, and again when it
// changes; one that has lasted for giveUp ends the process: Watch returns it. 0: never. Other failures it leaves to those who wait for
// the server. It returns nil when ctx ends.
func (r *Readiness) Watch(ctx context.Context, log *slog.Logger, giveUp time.Duration) error {
	next := time.NewTimer(0)
	defer next.Stop()
	w := watched{log: log, since: map[string]time.Time{}, text: map[string]string{}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		said := r.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		pause := watchIdle
		for _, name := range slices.Sorted(maps.Keys(said)) {
			if said[name] != nil {
				pause = watchEvery
			}
			if lasted, err := w.look(ctx, name, said[name]); err != nil && giveUp > 0 && lasted >= giveUp {
				return fmt.Errorf("gave up after %s (server.give_up): %w", giveUp, err)
			}
		}
		next.Reset(pause)
	}
}

// watched is what Watch knows of the checks that fail for good.
type watched struct {
	log   *slog.Logger
	since map[string]time.Time
	text  map[string]string
}

// look takes what a check says, and returns for how long it has failed for good. A server that is unavailable for another reason
// meanwhile, such as a restart, proves nothing.
func (w *watched) look(ctx context.Context, name string, err error) (time.Duration, error) {
	var l lasting
	switch {
	case err == nil:
		if !w.since[name].IsZero() {
			w.log.InfoContext(ctx, "it works again", "check", name, "after", time.Since(w.since[name]).Round(time.Second))
		}
		delete(w.since, name)
		delete(w.text, name)
		return 0, nil
	case !errors.As(err, &l) || !l.Permanent():
		return 0, nil
	}
	if w.since[name].IsZero() {
		w.since[name] = time.Now()
	}
	if text := Mask(l.Error()); text != w.text[name] {
		w.text[name] = text
		w.log.ErrorContext(ctx, "a failure that waiting does not mend", "check", name, "err", text)
	}
	return time.Since(w.since[name]), l
}
