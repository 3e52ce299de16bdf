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

// Main runs the process with the program's own arguments and streams, and returns its exit code, so that a main
// function is one line: os.Exit(daemon.Main(process())).
func Main(p Process) int { return p.Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr) }

// flags are those that every binary has.
type flags struct {
	config        string // path of the YAML file; empty means defaults and the environment
	check         bool
	ready         bool
	printDefaults bool
	version       bool
}

// parseFlags reads the flags of the binary called name. If ok is false the process ends with the code:
// ExitOK after -help, ExitUsage after a mistake, which has been reported on stderr.
func parseFlags(name string, args []string, stderr io.Writer) (f flags, code int, ok bool) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.config, "config", "", "read the configuration from this YAML `file`; CHAT_… variables override it")
	set.BoolVar(&f.check, "check", false, "check the configuration and exit")
	set.BoolVar(&f.ready, "ready", false, "ask the running process with this configuration whether it is ready, and exit: 0 if it is")
	set.BoolVar(&f.printDefaults, "print-defaults", false, "print the default configuration and exit")
	set.BoolVar(&f.version, "version", false, "print the version and exit")
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
