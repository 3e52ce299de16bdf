package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMachineSources(t *testing.T) {
	etc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(etc, "sources.list.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sources.list": "# old\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian trixie main contrib\ndeb-src http://mirror.example/debian trixie main\n",
		"sources.list.d/debian.sources": `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/off
Suites: trixie
Components: main
Enabled: no

Types: deb-src
URIs: http://mirror.example/src
Suites: trixie
Components: main
`,
		"sources.list.d/third.list": "deb https://third.example/apt stable main\n",
		"sources.list.d/ignored":    "deb http://mirror.example/ignored trixie main\n",
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := machineSources(etc, "trixie")
	if err != nil {
		t.Fatal(err)
	}
	want := []source{
		{uris: "http://mirror.example/debian", suites: "trixie", components: "main contrib", signedBy: "/k.gpg"},
		{uris: "http://mirror.example/debian", suites: "trixie trixie-updates", components: "main", signedBy: "/usr/share/keyrings/debian.gpg"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(source{})); d != "" {
		t.Errorf("sources (-want +got):\n%s", d)
	}
	if back := parseDeb822(deb822(got)); cmp.Diff(got, back, cmp.AllowUnexported(source{})) != "" {
		t.Errorf("written and read again: %+v", back)
	}
	sid, err := sidSources(got)
	if err != nil || len(sid) != 1 || sid[0].suites != "sid" || sid[0].uris != "http://mirror.example/debian" || sid[0].signedBy != "/k.gpg" {
		t.Errorf("sidSources = %+v, %v", sid, err)
	}
	if _, err := machineSources(etc, "noble"); err == nil {
		t.Error("sources of another release were taken")
	}
	if _, err := sidSources([]source{{uris: "http://a.example/ubuntu", suites: "noble"}}); err == nil {
		t.Error("sid was derived from a mirror that is none of Debian's")
	}
}

func TestAptOutput(t *testing.T) {
	count, size := planned("Reading lists...\n'http://m.example/a.deb' a_1_amd64.deb 100 SHA256:00\nInst a\n'http://m.example/b.deb' b_1_all.deb 23 \n")
	if count != 2 || size != 123 {
		t.Errorf("planned = %d, %d, want 2, 123", count, size)
	}
	if got := codename("ID=debian\nVERSION_CODENAME=\"trixie\"\n"); got != "trixie" {
		t.Errorf("codename = %q", got)
	}
	for deb, want := range map[string]bool{"libc6_2.36_amd64.deb": true, "libgcc-s1_12_amd64.deb": true, "libcap2_1_amd64.deb": false, "redis-tools_7_amd64.deb": false} {
		if cLibrary(deb) != want {
			t.Errorf("cLibrary(%s) = %v", deb, !want)
		}
	}
}

func TestRewriteErlang(t *testing.T) {
	tree := t.TempDir()
	files := []string{"usr/lib/erlang/bin/erl", "usr/lib/erlang/erts-13.1/bin/start"}
	for _, f := range files {
		p := filepath.Join(tree, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("#!/bin/sh\nROOTDIR=/usr/lib/erlang\n  ROOTDIR=/usr/lib/erlang\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewriteErlang(tree, "/final"); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(tree, f))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(b), "ROOTDIR=/final/usr/lib/erlang\n") != 2 {
			t.Errorf("%s:\n%s", f, b)
		}
	}
}
