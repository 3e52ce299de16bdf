package daemon

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParseFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want Flags
		code int
		ok   bool
		says string
	}{
		"none":     {ok: true},
		"all":      {args: []string{"-config", "c.yaml", "-check", "-print-defaults", "-version"}, want: Flags{"c.yaml", true, true, true}, ok: true},
		"help":     {args: []string{"-help"}, code: ExitOK, says: "-print-defaults"},
		"unknown":  {args: []string{"-nope"}, code: ExitUsage, says: "-nope"},
		"argument": {args: []string{"c.yaml"}, code: ExitUsage, says: "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			got, code, ok := ParseFlags("gateway", tt.args, &out)
			if got != tt.want || code != tt.code || ok != tt.ok {
				t.Errorf("ParseFlags = %+v, %d, %v", got, code, ok)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("it says %q, want %q in it", out.String(), tt.says)
			}
		})
	}
}

func TestMain_PassesArguments(t *testing.T) {
	code := Main(func(_ context.Context, args []string, stdout, _ io.Writer) int {
		if !slices.Equal(args, os.Args[1:]) || stdout != io.Writer(os.Stdout) {
			t.Errorf("run got %q", args)
		}
		return 7
	})
	if code != 7 {
		t.Errorf("Main = %d, want run's code", code)
	}
	if Version() == "" {
		t.Error("Version is empty")
	}
}
