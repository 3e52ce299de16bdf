package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindBrowserOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	want := filepath.Join(dir, "chromium")
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	b, err := FindBrowser(t.Context(), t.TempDir(), nil)
	if err != nil || b.Path != want || b.Env != nil {
		t.Errorf("FindBrowser = %+v, %v; want %s as it is", b, err, want)
	}
}

func TestFindBrowserSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no browser, no apt
	_, err := FindBrowser(t.Context(), t.TempDir(), nil)
	if err == nil || !strings.Contains(err.Error(), "install chromium") {
		t.Errorf("FindBrowser = %v, want what to do", err)
	}
}

func TestFindBrowserUnpacked(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	root := filepath.Join(cache, "chromium")
	for name, text := range map[string]string{
		"usr/lib/chromium/chromium":                        "",
		"usr/lib/x86_64-linux-gnu/pulseaudio/libcommon.so": "",
		".complete": root,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := FindBrowser(t.Context(), cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, "usr/lib/chromium/chromium"); b.Path != want {
		t.Errorf("path %s, want %s", b.Path, want)
	}
	env := strings.Join(b.Env, "\n")
	for _, want := range []string{"x86_64-linux-gnu/pulseaudio", "FONTCONFIG_FILE=" + filepath.Join(root, "fonts.conf")} {
		if !strings.Contains(env, want) {
			t.Errorf("variables %q lack %s", env, want)
		}
	}
	conf, err := os.ReadFile(filepath.Join(root, "fonts.conf"))
	if err != nil || !strings.Contains(string(conf), root+"/usr/share/fonts") {
		t.Errorf("fonts.conf %q, %v: the unpacked fonts are not in it", conf, err)
	}
}
