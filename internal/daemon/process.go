package daemon

import (
	"context"
	"fmt"
	"io"
)

// Process is what differs from one binary to the next.
type Process struct {
	Name string
	// Print shows the configuration as it is before Load: -print-defaults.
	Print func(w io.Writer) error
	// Load reads file ("": none) and environment into the configuration.
	Load func(path string) error
	// Warn lists what in the loaded configuration is accepted and seldom right. Optional.
	Warn func() []string
	// Debug is the address of the debug listener in the loaded configuration: -ready asks there.
	Debug func() string
	// Wire opens what the loaded configuration describes and says what to run; logs go to stderr.
	Wire func(ctx context.Context, stderr io.Writer) (*Runner, []Part, error)
}

// Run does what the flags ask for, or runs until the process is asked to stop. It returns the exit code; mistakes have been
// reported on stderr.
func (p Process) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, code, ok := parseFlags(p.Name, args, stderr)
	if !ok {
		return code
	}
	live, err := p.prepare(f, stdout)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return ExitUsage
	}
	if f.ready && live {
		if err := askReady(ctx, p.Debug()); err != nil {
			_, _ = fmt.Fprintf(stderr, "%s: not ready: %v\n", p.Name, err)
			return ExitFailed
		}
		return ExitOK
	}
	if !live {
		return ExitOK
	}
	r, parts, err := p.Wire(ctx, stderr)
	if err == nil {
		err = r.Run(ctx, parts...)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return ExitFailed
	}
	return ExitOK
}

// prepare prints the version or the defaults, or loads the configuration; live says whether the process is to run.
func (p Process) prepare(f flags, stdout io.Writer) (live bool, err error) {
	switch {
	case f.version:
		_, err = fmt.Fprintln(stdout, Version())
	case f.printDefaults:
		err = p.Print(stdout)
	default:
		if err = p.Load(f.config); err == nil && f.check {
			for _, w := range p.warnings() {
				_, _ = fmt.Fprintln(stdout, "warning: "+w)
			}
			_, err = fmt.Fprintln(stdout, "configuration is valid")
		}
		live = !f.check
	}
	return live, err
}

func (p Process) warnings() []string {
	if p.Warn == nil {
		return nil
	}
	return p.Warn()
}
