package stack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFindProxy(t *testing.T) {
	cache := t.TempDir()
	root := filepath.Join(cache, "someproxy")
	for name, text := range map[string]string{"usr/sbin/someproxy": "", "usr/lib/x86_64-linux-gnu/libsome.so": "", ".complete": root} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	p, err := FindProxy(t.Context(), cache, nil, "someproxy")
	if err != nil || p.Path != filepath.Join(root, "usr/sbin/someproxy") ||
		!slices.Contains(p.Env, "LD_LIBRARY_PATH="+filepath.Join(root, "usr/lib/x86_64-linux-gnu")+":"+filepath.Join(root, "usr/lib")) {
		t.Errorf("FindProxy of an unpacked one = %+v, %v", p, err)
	}
	own := t.TempDir()
	t.Setenv("PATH", own)
	if err := os.WriteFile(filepath.Join(own, "someproxy"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := FindProxy(t.Context(), cache, nil, "someproxy"); err != nil || p.Path != filepath.Join(own, "someproxy") || p.Env != nil {
		t.Errorf("FindProxy of this machine's = %+v, %v", p, err)
	}
	t.Setenv("PATH", t.TempDir()) // none, and no apt
	if _, err := FindProxy(t.Context(), t.TempDir(), nil, "someproxy"); err == nil || !strings.Contains(err.Error(), "apt-get install someproxy") {
		t.Errorf("FindProxy = %v, want what to do", err)
	}
}
