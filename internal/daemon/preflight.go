package daemon

import (
	"fmt"
	"io"
)

// Preflight does what the flags ask for before anything is started: it prints the version or the defaults, or loads the
// configuration. Where proceed is false the process ends with the code; mistakes have been told on stderr.
func Preflight(f Flags, stdout, stderr io.Writer, defaults func(io.Writer) error, load func(path string) error) (code int, proceed bool) {
	var err error
	switch {
	case f.Version:
		_, err = fmt.Fprintln(stdout, Version())
	case f.PrintDefaults:
		err = defaults(stdout)
	default:
		if err = load(f.Config); err == nil && !f.Check {
			return ExitOK, true
		}
		if err == nil {
			_, err = fmt.Fprintln(stdout, "configuration is valid")
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return ExitUsage, false
	}
	return ExitOK, false
}
