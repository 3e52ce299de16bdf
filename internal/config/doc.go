// Package config turns a YAML file and the environment into a struct of options.
//
// It owns mechanics only: which process has which keys is decided by that process's main package, which
// composes the shapes of sections.go with the options of its own parts. The struct arrives with its defaults
// already set; the file overrides the defaults, the environment overrides the file.
//
// It refuses to guess. An unknown key, a misspelt CHAT_ variable, a value of the wrong kind, a setting that a
// Validate method refuses: all of them are errors, all are reported together, and each names its key and what to
// do about it. In release mode (Server.Mode) it also refuses default, short and well-known secrets.
//
// Why it is written by hand: docs/adr/0010-own-config-loader.md.
//
// A value of type Secret prints as "[redacted]" everywhere; only Reveal gives its text.
package config
