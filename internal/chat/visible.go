package chat

import "unicode"

// invisible are characters that show nothing, though Unicode counts some of them as letters or marks.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00ad, 0x00ad, 1}, // soft hyphen
		{0x034f, 0x034f, 1}, // combining grapheme joiner
		{0x061c, 0x061c, 1}, // Arabic letter mark
		{0x115f, 0x1160, 1}, // Hangul fillers
		{0x17b4, 0x17b5, 1}, // Khmer inherent vowels
		{0x180b, 0x180f, 1}, // Mongolian selectors and vowel separator
		{0x200b, 0x200f, 1}, // zero width, direction marks
		{0x202a, 0x202e, 1}, // embeddings and overrides of direction
		{0x2060, 0x206f, 1}, // joiners, isolates, deprecated ones
		{0x2800, 0x2800, 1}, // blank Braille
		{0x3164, 0x3164, 1}, // Hangul filler
		{0xfe00, 0xfe0f, 1}, // variation selectors
		{0xfeff, 0xfeff, 1}, // byte order mark
		{0xffa0, 0xffa0, 1}, // half-width Hangul filler
		{0xfff9, 0xfffb, 1}, // interlinear annotations
	},
	R32: []unicode.Range32{
		{0x1bca0, 0x1bca3, 1}, // shorthand controls
		{0x1d173, 0x1d17a, 1}, // musical controls
		{0xe0000, 0xe0fff, 1}, // tags, variation selectors
	},
	LatinOffset: 1,
}

// misleads reports whether a character has no business in a name: it shows nothing, or turns the direction of what follows.
// What scripts and emoji need stays legal: joiners, direction marks, variation selectors, tags.
func misleads(r rune) bool {
	switch {
	case r == 0x200c, r == 0x200d, r == 0x200e, r == 0x200f, r == 0x061c, 0xfe00 <= r && r <= 0xfe0f, 0x180b <= r && r <= 0x180f, r >= 0xe0000:
		return false
	}
	return unicode.Is(invisible, r) || r == 0x2028 || r == 0x2029
}
