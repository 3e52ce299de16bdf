package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// fontsConf makes the fonts of the private packages visible; the machine's own stay visible, too.
const fontsConf = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<dir>/usr/share/fonts</dir>
<dir>%[1]s/usr/share/fonts</dir>
<cachedir>%[1]s/var/cache/fontconfig</cachedir>
</fontconfig>
`

// FindBrowser returns this machine's Chromium, or downloads Debian's packages of it into the cache and unpacks them there.
func FindBrowser(ctx context.Context, cache string, out *Progress) (Program, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return Program{Path: p, From: p}, nil
		}
	}
	in, err := unpackProgram(ctx, cache, out, bundle{name: "chromium", packages: []string{"chromium"}})
	if err != nil {
		return Program{}, err
	}
	// usr/bin/chromium is a script with paths of an installed package; the program itself needs none.
	program := filepath.Join(in.root, "usr/lib/chromium/chromium")
	if _, err := os.Stat(program); err != nil {
		return Program{}, fmt.Errorf("no browser in the packages: %w", err)
	}
	fonts := filepath.Join(in.root, "fonts.conf")
	if err := writeFile(fonts, fmt.Appendf(nil, fontsConf, in.root), 0o644); err != nil {
		return Program{}, fmt.Errorf("write the fonts' configuration: %w", err)
	}
	libraries := in.libraries()
	private, _ := filepath.Glob(filepath.Join(in.root, "usr/lib/*-linux-*/pulseaudio")) // found by path in an installed package
	for _, dir := range private {
		libraries += ":" + dir
	}
	return Program{Path: program, From: "package chromium", Env: []string{
		"LD_LIBRARY_PATH=" + libraries, "FONTCONFIG_FILE=" + fonts,
	}}, nil
}
