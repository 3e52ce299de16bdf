package aptsource

import (
	"os"
	"path/filepath"
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
	got, err := Machine(etc, "trixie")
	if err != nil {
		t.Fatal(err)
	}
	want := []Source{
		{uris: "http://mirror.example/debian", suites: "trixie", components: "main contrib", signedBy: "/k.gpg"},
		{uris: "http://mirror.example/debian", suites: "trixie trixie-updates", components: "main", signedBy: "/usr/share/keyrings/debian.gpg"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Source{})); d != "" {
		t.Errorf("sources (-want +got):\n%s", d)
	}
	if back := parseDeb822(Text(got)); cmp.Diff(got, back, cmp.AllowUnexported(Source{})) != "" {
		t.Errorf("written and read again: %+v", back)
	}
	sid, err := Sid(got)
	if err != nil || len(sid) != 1 || sid[0].suites != "sid" || sid[0].uris != "http://mirror.example/debian" || sid[0].signedBy != "/k.gpg" {
		t.Errorf("Sid = %+v, %v", sid, err)
	}
	if _, err := Machine(etc, "noble"); err == nil {
		t.Error("sources of another release were taken")
	}
	if _, err := Sid([]Source{{uris: "http://a.example/ubuntu", suites: "noble"}}); err == nil {
		t.Error("sid was derived from a mirror that is none of Debian's")
	}
}

func TestCodename(t *testing.T) {
	if got := Codename("ID=debian\nVERSION_CODENAME=\"trixie\"\n"); got != "trixie" {
		t.Errorf("codename = %q", got)
	}
}
