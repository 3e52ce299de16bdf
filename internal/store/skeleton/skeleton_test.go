package skeleton

import (
	"cmp"
	"flag"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var update = flag.String("update", "", "make confusables.txt from this file of Unicode's")

func TestOf(t *testing.T) {
	for _, same := range [][]string{
		{"scope", "ѕсоре"},          // all Cyrillic: no mixture of scripts gives it away
		{"paypal", "paypa1"},        // l and 1
		{"mark", "rnark"},           // m and rn
		{"aa", "ɑɑ", "αα"},          // Latin alpha, Greek alpha
		{"夕夕", "タタ"},                // a Chinese character and a Katakana letter
		{"é", "e\u0301"},            // composed or not
		{"ﷺ", "صلى الله عليه وسلم"}, // one character may look like many
		{"x", "х", "×"},             // a Cyrillic letter, a sign
		{strings.Repeat("ﷺ", 30), strings.Repeat("صلى الله عليه وسلم", 30)}, // longer than a column
	} {
		for _, name := range same[1:] {
			if Of(name) != Of(same[0]) {
				t.Errorf("%s and %s look alike, their skeletons are %q and %q", same[0], name, Of(same[0]), Of(name))
			}
		}
	}
	seen := map[string]string{}
	for _, name := range []string{
		"ann", "anna", "bob", "b0b", "張偉", "张伟", "иван", "ivan", "1", "2", "a.b", "a_b", "a-b", strings.Repeat("ﷺ", 30), strings.Repeat("ﷺ", 31),
	} {
		s := Of(name)
		if other, ok := seen[s]; ok || len(s) > MaxLen {
			t.Errorf("%s and %s have one skeleton, of %d bytes", name, other, len(s))
		}
		seen[s] = name
	}
	if Shared(7) == Shared(8) || len(Shared(1<<64-1)) > MaxLen || strings.ToValidUTF8(Shared(7), "") == Shared(7) {
		t.Errorf("%q may be a skeleton", Shared(7))
	}
}

// TestTable reads what is embedded as a program does. With -update it makes it first.
func TestTable(t *testing.T) {
	if *update != "" {
		makeTable(t, *update)
	}
	n, last := 0, rune(-1)
	for line := range strings.Lines(confusables) {
		codes := strings.Fields(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		n++
		at, looks := char(codes[0]), ""
		for _, c := range codes[1:] {
			looks += string(char(c))
		}
		if at <= last || looks == "" || looks == string(at) || prototype(at) != looks {
			t.Errorf("%U looks like %q, the line says %q", at, prototype(at), looks)
		}
		last = at
	}
	if n != 6311 {
		t.Errorf("%d characters, Unicode 15 lists 6311", n)
	}
	for _, r := range []rune{0, 'a', 'z', 0x10ffff, unicode.ReplacementChar} {
		if prototype(r) != string(r) {
			t.Errorf("%U looks like %q", r, prototype(r))
		}
	}
}

var row = regexp.MustCompile(`(?m)^([0-9A-F]+) ;\t([0-9A-F ]+?) *;\tMA`)

func makeTable(t *testing.T, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	rows := row.FindAllStringSubmatch(string(text), -1)
	code := func(r []string) uint64 {
		n, err := strconv.ParseUint(r[1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	slices.SortFunc(rows, func(a, b []string) int { return cmp.Compare(code(a), code(b)) })
	var b strings.Builder
	for line := range strings.Lines(confusables) {
		if strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	for _, r := range rows {
		b.WriteString(r[1] + " " + r[2] + "\n")
	}
	if err := os.WriteFile("confusables.txt", []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	confusables = b.String()
}
