package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func TestParseFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want flags
		code int
		ok   bool
		says string
	}{
		"none":     {ok: true},
		"all":      {args: []string{"-config", "c.yaml", "-check", "-ready", "-print-defaults", "-version"}, want: flags{"c.yaml", true, true, true, true}, ok: true},
		"help":     {args: []string{"-help"}, code: ExitOK, says: "-print-defaults"},
		"unknown":  {args: []string{"-nope"}, code: ExitUsage, says: "-nope"},
		"argument": {args: []string{"c.yaml"}, code: ExitUsage, says: "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			got, code, ok := parseFlags("gateway", tt.args, &out)
			if got != tt.want || code != tt.code || ok != tt.ok {
				t.Errorf("parseFlags = %+v, %d, %v", got, code, ok)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("it says %q, want %q in it", out.String(), tt.says)
			}
		})
	}
}

func TestProcess(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		args             string
		load, wire, part error
		code             int
		out, errs        string
		wired            bool
	}{
		"runs":           {wired: true},
		"help":           {args: "-help", errs: "-print-defaults"},
		"mistake":        {args: "-nope", code: ExitUsage, errs: "-nope"},
		"version":        {args: "-version", load: broken, out: Version()},
		"defaults":       {args: "-print-defaults", load: broken, out: "printed"},
		"check":          {args: "-check -config c.yaml", out: "loaded c.yaml\nwarning: c.yaml is odd\nconfiguration is valid"},
		"check fails":    {args: "-check", load: broken, code: ExitUsage, errs: "broken"},
		"bad settings":   {load: broken, code: ExitUsage, errs: "broken"},
		"bad wiring":     {wire: broken, code: ExitFailed, wired: true, errs: "worker: broken"},
		"start fails":    {part: broken, code: ExitFailed, wired: true, errs: "broken"},
		"file is handed": {args: "-config d.yaml", out: "loaded d.yaml", wired: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			wired := false
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := Process{
				Name:  "worker",
				Warn:  func() []string { return []string{"c.yaml is odd"} },
				Print: func(w io.Writer) error { _, err := io.WriteString(w, "printed"); return err },
				Load: func(path string) error {
					if path != "" {
						out.WriteString("loaded " + path + "\n")
					}
					return tt.load
				},
				Wire: func(context.Context, io.Writer) (*Runner, []Part, error) {
					wired = true
					start := func(context.Context) error {
						if tt.part == nil {
							cancel()
						}
						return tt.part
					}
					return &Runner{Log: slog.New(slog.DiscardHandler)}, []Part{{Name: "part", Start: start}}, tt.wire
				},
			}
			if code := p.Run(ctx, strings.Fields(tt.args), &out, &errs); code != tt.code || wired != tt.wired {
				t.Errorf("exit code %d, wired %v", code, wired)
			}
			if !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.errs) {
				t.Errorf("printed %q and %q", out.String(), errs.String())
			}
		})
	}
}
