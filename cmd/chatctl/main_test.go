package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// chatctl runs a command line as main does.
func chatctl(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var c cli
	var out, errs bytes.Buffer
	k, err := kong.New(&c, kong.Name("chatctl"), kong.Writers(&out, &errs), kong.Exit(func(int) {}),
		kong.BindTo(t.Context(), (*context.Context)(nil)), kong.Bind(&c.Settings, &streams{&out, &errs}, desk(&c.Settings, &streams{&out, &errs})))
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Parse(args)
	if err == nil {
		err = p.Run()
	}
	return out.String(), errs.String(), err
}

// clean takes away what the machine's environment says about servers, and goes to an empty folder.
func clean(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CHAT_") && !strings.HasPrefix(name, "CHAT_TEST_") && name != "CHAT_PKG_CACHE" {
			t.Setenv(name, "") // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestEveryOperatorsCommandShowsAnExample(t *testing.T) {
	var c cli
	k, err := kong.New(&c, kong.Name("chatctl"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, leaf := range k.Model.Leaves(true) {
		path := strings.TrimSpace(strings.TrimPrefix(leaf.FullPath(), "chatctl"))
		if slices.Contains([]string{"up", "servers"}, path) {
			continue
		}
		n++
		if !strings.Contains(leaf.Detail, "\n  chatctl "+path) {
			t.Errorf("chatctl %s --help shows no example of it:\n%s", path, leaf.Detail)
		}
	}
	if n < 11 {
		t.Errorf("%d commands", n)
	}
}

func TestCommandsRefuseWhatIsHalfSaid(t *testing.T) {
	clean(t)
	for _, tt := range []struct{ line, says string }{
		{"epoch bump", "--yes"},
		{"epoch bump --room 4", "room 4"},
		{"dead drop", "chatctl dead list"},
		{"dead drop --all", "--yes"},
		{"dead drop 1 --all --yes", "not both"},
		{"dead list --limit 0", "--limit"},
		{"room x", "x"},
		{"user", "id|name"},
		{"user disable", "id|name"},
		{"user erase ann", "--yes"},
		{"room dissolve 4", "--yes"},
		{"audit --kind rumour", "--help"},
		{"key create --name= --scope read", "--name: "},
		{"webhook create", "--url"},
		{"webhook create --url http://app.example.com", "--url: the address must be https://"},
		{"webhook create --url https://127.0.0.1/", "a loopback address"},
		{"webhook create --url https://10.1.2.3/ --allow-private", "--allow-private: the operator allows no private addresses"},
		{"webhook create --url https://app.example.com --event nothing", "--event"},
		{"webhook delete 3", "--yes"},
		{"webhook disable 3 --why=", "--why"},
		{"webhook attempts 3 --limit 0", "--limit"},
		{"webhook replay 3", "--since"},
		{"webhook replay 3 --since 1h --event x", "--event"},
		{"webhook replay 3 --since=-1h", "negative"},
		{"audit --limit 0", "--limit"},
		{"partitions plan", "--workers N"},
		{"partitions plan --workers 2 --without a", "--workers N"},
		{"partitions plan --workers -1", "--workers"},
		{"partitions --run nowhere", "chatctl up --dir nowhere"},
		{"migrate --config nowhere.yaml", "nowhere.yaml"},
	} {
		_, _, err := chatctl(t, strings.Fields(tt.line)...)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("chatctl %s: %v, want %q", tt.line, err, tt.says)
		}
	}
}

func TestUnreachableServersAreExplained(t *testing.T) {
	clean(t)
	t.Setenv("CHAT_DATABASE_HOST", "127.0.0.1")
	t.Setenv("CHAT_DATABASE_PORT", "1")
	for _, line := range []string{"migrate", "migrate --status", "user 1", "room 1", "user disable 1", "user erase 1 --yes", "user sessions 1", "room dissolve 1 --yes", "audit", "partitions", "unread verify", "epoch bump --yes", "dead list", "dead show 1", "dead drop 1"} {
		_, _, err := chatctl(t, strings.Fields(line)...)
		if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1 (from") || !strings.Contains(err.Error(), "start it") {
			t.Errorf("chatctl %s: %v", line, err)
		}
	}
}
