package chat_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

func TestCheckChangeID(t *testing.T) {
	for in, ok := range map[string]bool{"a": true, strings.Repeat("x", 36): true, "": false, strings.Repeat("x", 37): false, "a b": false} {
		err := chat.CheckChangeID(in)
		if (err == nil) != ok || err != nil && chat.As(err).Fields[0].Field != "change_id" {
			t.Errorf("%q: got %v, want ok %v, about change_id", in, err, ok)
		}
	}
}

func TestCheckReactionKey(t *testing.T) {
	for in, ok := range map[string]bool{
		"+1": true, "👍": true, "👩‍👩‍👧": true, "❤️": true, strings.Repeat("x", 32): true,
		"": false, strings.Repeat("x", 33): false, strings.Repeat("👍", 9): false, "a b": false, "a\u00a0b": false, "\u3000": false, "a\n": false,
		"\x00": false, "a\u0085": false, "\xff": false, "\u200d": false, "\u200b": false,
	} {
		err := chat.CheckReactionKey(in)
		if (err == nil) != ok || err != nil && chat.As(err).Fields[0].Field != "key" {
			t.Errorf("%q: got %v, want ok %v, about key", in, err, ok)
		}
	}
}

func TestCanonicalData(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	for _, c := range []struct{ name, in, want string }{
		{"empty", " {} ", "{}"},
		{"order", `{"b":1,"a":[ 3, {"d":null,"c":true} ]}`, `{"a":[3,{"c":true,"d":null}],"b":1}`},
		{"order by UTF-16", `{"\ufb33":1,"\ud83d\ude00":2,"\u00f6":3,"1":4,"\r":5,"€":6,"":7,"a":8,"aa":9}`, `{"":7,"\r":5,"1":4,"a":8,"aa":9,"ö":3,"€":6,"😀":2,"` + "\ufb33" + `":1}`},
		{"escapes", `{"a":"\u20ac\/\u000F\u000aA'\u0042\u0022\u005c\\\"\/\b\u007f"}`, `{"a":"€/\u000f\nA'B\"\\\\\"/\b` + "\u007f" + `"}`},
		{
			"numbers", `{"n":[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001, -0, -0.0, 1e21, 1e20, 123456789012, 1e-7, 9007199254740991]}`,
			`{"n":[333333333.3333333,1e+30,4.5,0.002,1e-27,0,0,1e+21,100000000000000000000,123456789012,1e-7,9007199254740991]}`,
		},
		{"beyond 2^53, as they are shown", `{"n":[9007199254740992,-123456789012345670000]}`, `{"n":[9007199254740992,-123456789012345670000]}`},
		{"at the depth", deep(32), deep(32)},
		{"at the size", `{"a":"` + strings.Repeat("x", 8192-8) + `"}`, `{"a":"` + strings.Repeat("x", 8192-8) + `"}`},
		{"space doesn't count", `{"a":` + strings.Repeat(" ", 10_000) + `1}`, `{"a":1}`},

		{"above the size", `{"a":"` + strings.Repeat("x", 8192-7) + `"}`, "too_large"},
		{"above the depth", deep(33), "invalid"},
		{"above the depth, lists", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + "}", "invalid"},
		{"nothing", "", "invalid"},
		{"null", "null", "invalid"},
		{"list", "[]", "invalid"},
		{"text", `"{}"`, "invalid"},
		{"more behind it", "{}{}", "invalid"},
		{"cut", `{"a":1`, "invalid"},
		{"cut name", `{"a`, "invalid"},
		{"cut escape", `{"a\`, "invalid"},
		{"cut unit", `{"a\u00`, "invalid"},
		{"twice", `{"a":1,"b":2,"\u0061":3}`, "invalid"},
		{"comma at the end", `{"a":1,}`, "invalid"},
		{"comma at the start", `{,"a":1}`, "invalid"},
		{"comma in a list", `{"a":[1,]}`, "invalid"},
		{"no comma", `{"a":1 "b":2}`, "invalid"},
		{"bad escape", `{"a":"\x"}`, "invalid"},
		{"bad unit", `{"a":"\u+123"}`, "invalid"},
		{"raw newline", "{\"a\":\"\n\"}", "invalid"},
		{"no UTF-8", "{\"a\":\"\xff\"}", "invalid"},
		{"half a pair", `{"a":"\ud83d"}`, "invalid"},
		{"half a pair and a unit", `{"a":"\ud83d\u0041"}`, "invalid"},
		{"the other half", `{"a":"\ude00"}`, "invalid"},
		{"zero in front", `{"a":01}`, "invalid"},
		{"point at the end", `{"a":1.}`, "invalid"},
		{"only a sign", `{"a":-}`, "invalid"},
		{"plus", `{"a":+1}`, "invalid"},
		{"no exponent", `{"a":1e}`, "invalid"},
		{"beyond a double", `{"a":1e400}`, "invalid"},
		{"beyond 2^53", `{"a":9007199254740993}`, "invalid"},
		{"a word", `{"a":nul}`, "invalid"},
		{"NaN", `{"a":NaN}`, "invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := chat.CanonicalData([]byte(c.in), 8192, 32)
			if err != nil {
				if got = chat.KindOf(err).String(); got == "invalid" && chat.As(err).Fields[0].Field != "data" {
					t.Errorf("the error isn't about data: %v", err)
				}
			}
			if got != c.want {
				t.Errorf("got %.200s (%v), want %.200s", got, err, c.want)
			}
		})
	}
	if _, err := chat.CanonicalData([]byte(deep(1000)), 0, 0); err != nil {
		t.Errorf("no limits, 1000 levels: %v", err)
	}
	if _, err := chat.CanonicalData([]byte(deep(1001)), 0, 0); err == nil {
		t.Error("no limits, 1001 levels are taken")
	}
}

// TestCanonicalDataMeansTheSame: whatever encoding/json writes is read as the same value, and the canonical form of a canonical form is
// itself.
func TestCanonicalDataMeansTheSame(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] { return anyValue(2) })
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOfN(rapid.String(), value, 0, 5).Draw(t, "data")
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		one, err := chat.CanonicalData(raw, 0, 0)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		two, err := chat.CanonicalData([]byte(one), 0, 0)
		if err != nil || one != two {
			t.Fatalf("%s\n%s\n%v", one, two, err)
		}
		var a, b any
		if json.Unmarshal(raw, &a) != nil || json.Unmarshal([]byte(one), &b) != nil {
			t.Fatalf("%s isn't JSON", one)
		}
		if !reflect.DeepEqual(a, b) { // for which -0 is 0, as for ECMAScript
			t.Fatalf("%s means something else than %s", one, raw)
		}
	})
}

// numbers leave out the negative zero, which the canonical form doesn't know.
var numbers = rapid.Float64().Filter(func(f float64) bool { return f != 0 || !math.Signbit(f) })

func anyValue(depth int) *rapid.Generator[any] {
	gens := []*rapid.Generator[any]{
		rapid.String().AsAny(), numbers.AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil), rapid.Int32().AsAny(),
	}
	if depth > 0 {
		gens = append(gens, rapid.SliceOfN(anyValue(depth-1), 0, 3).AsAny(), rapid.MapOfN(rapid.String(), anyValue(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(gens...)
}

// FuzzCanonicalData: what is taken is JSON, and canonical.
func FuzzCanonicalData(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"\ud83d\ude00",null]}`, `{"a":{"b":"\u0000"}}`, `{`, `{"a":1e400}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		one, err := chat.CanonicalData(raw, 0, 0)
		if err != nil {
			return
		}
		two, err := chat.CanonicalData([]byte(one), 0, 0)
		if err != nil || one != two || !json.Valid(raw) || !json.Valid([]byte(one)) {
			t.Errorf("%q became %q, then %q, %v", raw, one, two, err)
		}
	})
}

func TestWhoMayChangeMessages(t *testing.T) {
	sent := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	later := sent.Add(24*time.Hour + time.Millisecond)
	group, direct := chat.Room{ID: 1, Type: chat.Group}, chat.Room{ID: 2, Type: chat.Direct}
	owner, admin, plain := chat.Member{User: 1, Role: chat.Owner}, chat.Member{User: 2, Role: chat.Admin}, chat.Member{User: 3, Role: chat.Plain}
	gone := admin
	gone.LeftSeq = 9
	of := func(u chat.UserID) chat.Message { return chat.Message{Kind: chat.Text, Sender: u, CreatedAt: sent} }
	recalled := of(3)
	recalled.State = &chat.State{ChangeSeq: 1, Version: 1, RecalledBy: 3, RecalledAt: sent}
	system := chat.Message{Kind: chat.System, CreatedAt: sent}
	day := 24 * time.Hour
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"author edits", chat.MayEditMessage(plain, of(3), sent.Add(day), day), "ok"},
		{"author edits too late", chat.MayEditMessage(plain, of(3), later, day), "forbidden"},
		{"author edits late, no window", chat.MayEditMessage(plain, of(3), later, 0), "ok"},
		{"owner edits another's", chat.MayEditMessage(owner, of(3), sent, day), "forbidden"},
		{"author edits what was recalled", chat.MayEditMessage(plain, recalled, sent, day), "conflict"},
		{"another edits what was recalled", chat.MayEditMessage(owner, recalled, sent, day), "forbidden"},
		{"system message is edited", chat.MayEditMessage(owner, system, sent, day), "forbidden"},
		{"author recalls", chat.MayRecall(group, plain, of(3), sent, 0), "ok"},
		{"author recalls late", chat.MayRecall(group, plain, of(3), later, 0), "ok"},
		{"author recalls too late", chat.MayRecall(group, plain, of(3), later, day), "forbidden"},
		{"author recalls too late, direct", chat.MayRecall(direct, plain, of(3), later, day), "forbidden"},
		{"admin recalls late", chat.MayRecall(group, admin, of(3), later, day), "ok"},
		{"admin recalls the owner's", chat.MayRecall(group, admin, of(1), sent, day), "ok"},
		{"owner recalls", chat.MayRecall(group, owner, of(3), sent, day), "ok"},
		{"member recalls another's", chat.MayRecall(group, plain, of(1), sent, day), "forbidden"},
		{"the other one recalls, direct", chat.MayRecall(direct, plain, of(4), sent, day), "forbidden"},
		{"recalled again", chat.MayRecall(group, plain, recalled, sent, day), "ok"},
		{"system message is recalled", chat.MayRecall(group, owner, system, sent, day), "forbidden"},
		{"reaction", chat.MayReact(of(1)), "ok"},
		{"reaction to what was recalled", chat.MayReact(recalled), "conflict"},
		{"reaction to a system message", chat.MayReact(system), "forbidden"},
		{"admin pins", chat.MayPin(group, admin, of(3), true), "ok"},
		{"member pins", chat.MayPin(group, plain, of(3), true), "forbidden"},
		{"member pins, direct", chat.MayPin(direct, plain, of(3), true), "ok"},
		{"admin pins what was recalled", chat.MayPin(group, admin, recalled, true), "conflict"},
		{"admin unpins what was recalled", chat.MayPin(group, admin, recalled, false), "ok"},
		{"member unpins", chat.MayPin(group, plain, of(3), false), "forbidden"},
		{"system message is pinned", chat.MayPin(group, owner, system, true), "forbidden"},
		{"author reads versions", chat.MaySeeVersions(group, plain, of(3)), "ok"},
		{"admin reads versions", chat.MaySeeVersions(group, admin, of(3)), "ok"},
		{"member reads another's versions", chat.MaySeeVersions(group, plain, of(1)), "forbidden"},
		{"the other one reads versions, direct", chat.MaySeeVersions(direct, plain, of(4)), "forbidden"},
		{"who has left reads versions", chat.MaySeeVersions(group, gone, of(2)), "forbidden"},
	} {
		got := "ok"
		if c.err != nil {
			got = chat.KindOf(c.err).String()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestUnread(t *testing.T) {
	for _, c := range []struct{ count, read, recalled, want uint64 }{{9, 4, 0, 5}, {9, 4, 2, 3}, {9, 9, 0, 0}, {9, 10, 0, 0}, {9, 4, 6, 0}} {
		if got := chat.Unread(c.count, c.read, c.recalled); got != c.want {
			t.Errorf("%d messages, %d read, %d recalled: %d unread, want %d", c.count, c.read, c.recalled, got, c.want)
		}
	}
}
