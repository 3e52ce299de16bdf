package server

import (
	stdjson "encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
)

// anyBody has a field of every sort that request bodies have.
type anyBody struct {
	Name    string           `json:"name"`
	Email   *string          `json:"email,omitempty"`
	Members []chat.UserID    `json:"member_ids"`
	Role    *chat.Role       `json:"role,omitempty"`
	Until   Maybe[time.Time] `json:"muted_until,omitzero"`
	Seconds *int64           `json:"mute_seconds,omitempty"`
	Seq     *chat.Seq        `json:"seq"`
	On      bool             `json:"on"`
}

// FuzzDecode: a body is taken whole, and then the standard library reads the same from it, or it is refused with a
// status of the 4xx and words that a client can be shown.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", "[]", "{", `{"name":"n"}`, `{"name":"n"} x`, `{"name":"n","name":"m"}`, `{"Name":"n"}`, `{"nickname":1}`, `{"name":1}`,
		`{"name":"` + "\xff" + `"}`, `{"name":"\ud800"}`, `{"member_ids":[1,"2",-3,1e99,0.5]}`, `{"member_ids":[[1]]}`, `{"email":null,"seq":18446744073709551616}`,
		`{"muted_until":null}`, `{"muted_until":"2026-01-02T03:04:05Z"}`, `{"muted_until":"tomorrow"}`, `{"role":"king"}`, `{"on":"true"}`,
		`{"` + strings.Repeat("ä", 60) + `":1}`, strings.Repeat(`{"name":`, 200), `{"member_ids":` + strings.Repeat("[", 2000), " \t\r\n{ \"on\" : true } \n",
	} {
		f.Add([]byte(s))
	}
	app := fiber.New()
	f.Fuzz(func(t *testing.T, body []byte) {
		var req fasthttp.RequestCtx
		c := app.AcquireCtx(&req)
		defer app.ReleaseCtx(c)
		req.Request.SetBody(body)
		var got anyBody
		if err := decode(c, &got); err != nil {
			status, e := translate(err)
			if status < 400 || status > 499 || status == 415 {
				t.Fatalf("%d for a body: %v", status, err)
			}
			words := []string{e.Msg}
			for _, field := range e.Fields {
				words = append(words, field.Field, field.Message)
			}
			for _, w := range words {
				if !utf8.ValidString(w) || w == "" || len(w) > 300 || strings.Contains(w, "anyBody") || strings.Contains(w, "chat.") {
					t.Fatalf("the client reads %q", words)
				}
			}
			return
		}
		if !utf8.Valid(body) || !stdjson.Valid(body) {
			t.Fatalf("%q is taken", body)
		}
		var want struct {
			Name    string
			Email   *string
			Members []uint64 `json:"member_ids"`
			Role    *string
			Until   *time.Time `json:"muted_until"`
			Seconds *int64     `json:"mute_seconds"`
			Seq     *uint64
			On      bool
		}
		if err := stdjson.Unmarshal(body, &want); err != nil {
			t.Fatalf("%q is taken; the standard library says %v", body, err)
		}
		same := got.Name == want.Name && equal(got.Email, want.Email) && len(got.Members) == len(want.Members) &&
			(got.Role == nil) == (want.Role == nil) && equal(got.Seconds, want.Seconds) && (got.Seq == nil) == (want.Seq == nil) &&
			got.On == want.On && (got.Until.Value == nil) == (want.Until == nil)
		for i := 0; same && i < len(want.Members); i++ {
			same = uint64(got.Members[i]) == want.Members[i]
		}
		if same && got.Seq != nil {
			same = uint64(*got.Seq) == *want.Seq
		}
		if same && got.Until.Value != nil {
			same = got.Until.Value.Equal(*want.Until)
		}
		if !same {
			t.Fatalf("%q is read as %+v, by the standard library as %+v", body, got, want)
		}
	})
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
