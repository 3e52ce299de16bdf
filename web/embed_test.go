package web_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"chat-service/web"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(web.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEverythingThatIsLoadedIsEmbedded(t *testing.T) {
	ref := regexp.MustCompile(`(?:src|href)="([^"]+)"|from '\./([^']+)'`)
	seen, todo := map[string]bool{}, []string{"index.html"}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		for _, m := range ref.FindAllStringSubmatch(read(t, name), -1) {
			todo = append(todo, m[1]+m[2])
		}
	}
	files, err := fs.ReadDir(web.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !seen[f.Name()] {
			t.Errorf("%s is embedded and nothing loads it", f.Name())
		}
	}
}

// The api forbids inline code and styles; the page must not need them, and must not turn text into markup.
func TestNothingInlineAndTextOnly(t *testing.T) {
	page := read(t, "index.html")
	for _, bad := range []string{`<style`, ` style=`, `javascript:`, `http://`, `https://`} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html holds %s", bad)
		}
	}
	if m := regexp.MustCompile(`<script[^>]*>[^<]|\son[a-z]+=`).FindString(page); m != "" {
		t.Errorf("index.html holds inline code: %s", m)
	}
	files, err := fs.Glob(web.Files, "*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text := read(t, f)
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setAttribute('style'"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s uses %s", f, bad)
			}
		}
		if n := strings.Count(text, "\n"); n > 500 {
			t.Errorf("%s has %d lines", f, n)
		}
	}
}

func TestWordsOfThePageExist(t *testing.T) {
	words := read(t, "i18n.js")
	used := regexp.MustCompile(`data-i18n(?:-label|-placeholder)?="([^"]+)"`).FindAllStringSubmatch(read(t, "index.html"), -1)
	used = append(used, regexp.MustCompile(`\bt\('([a-zA-Z0-9_]+)'`).FindAllStringSubmatch(read(t, "app.js")+read(t, "view.js")+read(t, "dialogs.js")+read(t, "changes.js"), -1)...)
	for _, m := range used {
		if !regexp.MustCompile(`\b` + m[1] + `: '`).MatchString(words) {
			t.Errorf("i18n.js has no word %s", m[1])
		}
	}
	if len(used) < 30 {
		t.Errorf("found only %d words, the patterns look wrong", len(used))
	}
}
