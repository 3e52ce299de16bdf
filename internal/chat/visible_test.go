package chat

import "testing"

func TestVisible(t *testing.T) {
	for text, ok := range map[string]bool{
		"x": true, "👋🏽": true, "👨‍👩‍👧": true, "\u200bx": true, "é": true, "…": true, "\uf8ff": true, "\U0001fffd": true,
		"": false, " \u3000\u00a0\n": false, "\u200b": false, "\u3164": false, "\u2800\u2800": false, "\u202e": false, "\ufe0f": false, "\u115f\u1160": false,
	} {
		if err := CheckContent(text, 0); (err == nil) != ok {
			t.Errorf("content %q: %v", text, err)
		}
		if err := CheckLine("nickname", text, 0, 64); ok && err != nil && text != "\u200bx" {
			t.Errorf("line %q: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{
		"Ann": true, "👨‍👩‍👧 family": true, "می\u200cخواهم": true, "שלום\u200f!": true, "🏴\U000e0067\U000e0062\U000e007f": true, "❤️": true,
		"ann\u200b": false, "\u202enna": false, "a\u2066b": false, "a\ufeffb": false, "a\u00adb": false, "\u3164": false, "a\u2028b": false, "\u200d": false,
	} {
		if err := CheckLine("nickname", text, 1, 64); (err == nil) != ok {
			t.Errorf("name %q: %v", text, err)
		}
	}
}
