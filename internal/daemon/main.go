package daemon

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// Exit codes of the binaries.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Main calls run with the process's own arguments (without the name of the program) and streams, and returns its code,
// so that a main function is one line: os.Exit(daemon.Main(run)).
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) int {
	return run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
}

// Flags are those that every binary has.
type Flags struct {
	// Config is the path of the YAML file; empty means defaults and the environment.
	Config string
	// Check asks to load and validate the configuration, and to end.
	Check bool
	// PrintDefaults asks to print the configuration as it is without file and environment, and to end.
	PrintDefaults bool
	// Version asks to print the version, and to end.
	Version bool
}

// ParseFlags reads the flags of the binary called name. Where it returns false the process ends with the code:
// ExitOK after -help, ExitUsage after a mistake, which has been told on stderr.
func ParseFlags(name string, args []string, stderr io.Writer) (f Flags, code int, ok bool) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.Config, "config", "", "read the configuration from this YAML `file`; CHAT_… variables override it")
	set.BoolVar(&f.Check, "check", false, "check the configuration and end")
	set.BoolVar(&f.PrintDefaults, "print-defaults", false, "print the default configuration and end")
	set.BoolVar(&f.Version, "version", false, "print the version and end")
	switch err := set.Parse(args); {
	case err == flag.ErrHelp: //nolint:errorlint // documented to be returned as it is
		return f, ExitOK, false
	case err != nil:
		return f, ExitUsage, false
	case set.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "%s: takes no arguments, only flags: %q\n", name, set.Args())
		return f, ExitUsage, false
	}
	return f, ExitOK, true
}

// Version describes the build: the module's version, or else the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, commit, dirty := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if version == "" || version == "(devel)" {
		version = "devel"
		if commit != "" {
			version += "-" + commit + dirty
		}
	}
	return version + " " + info.GoVersion
}
