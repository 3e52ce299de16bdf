package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/chat"
)

// formBody has a field of each form.
type formBody struct {
	Name  string          `json:"name" required:"true" minLength:"2" maxLength:"4" text:"line" example:"ann"`
	Note  *string         `json:"note,omitempty" maxLength:"8" text:"lines"`
	Bytes string          `json:"bytes,omitempty" maxBytes:"4"`
	Big   string          `json:"big,omitempty" limit:"big"`
	Code  *string         `json:"code,omitempty" minLength:"1" pattern:"^[a-z]*$"`
	Kind  *chat.RoomType  `json:"kind,omitempty" enum:"group,direct"`
	User  chat.UserID     `json:"user" required:"true"`
	Seq   *chat.Seq       `json:"seq" required:"true"`
	Wait  *int64          `json:"wait,omitempty" minimum:"0" maximum:"9"`
	IDs   []chat.UserID   `json:"ids,omitempty" minItems:"0" limit:"ids"`
	Until Maybe[struct{}] `json:"until,omitzero"`
}

func formRoute() Route {
	return Route{
		Method: "POST", Path: "/form", ID: "form", Tag: "a", Open: true, Rule: "never two of them",
		Do: Takes(func(c *Call, b formBody) error { return c.OK(b.Name) }),
	}
}

// TestFields: what a body's rows ask for is what decides, and every field that is wrong is named.
func TestFields(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits = map[string]int{"big": 8, "ids": 3} })
	good := map[string]string{"name": `"ann"`, "user": "1", "seq": "0"}
	for _, tt := range []struct{ field, value, code string }{
		{"", "", ""},
		{"name", `"ü你😀x"`, ""},
		{"name", `"a"`, "invalid"},
		{"name", `"abcde"`, "invalid"},
		{"name", `""`, "invalid"},
		{"name", "null", "invalid"},
		{"name", `"a\nb"`, "invalid"},
		{"name", `"\u200b\u200b"`, "invalid"},
		{"name", "7", "invalid"},
		{"name", "-", "invalid"},
		{"note", `"a\nb"`, ""},
		{"note", `""`, ""},
		{"note", "null", ""},
		{"note", `"123456789"`, "invalid"},
		{"note", `"\u0000"`, "invalid"},
		{"bytes", `"1234"`, ""},
		{"bytes", `"üüü"`, "invalid"},
		{"bytes", "null", ""},
		{"big", `"12345678"`, ""},
		{"big", `"123456789"`, "too_large"},
		{"code", `"abc"`, ""},
		{"code", `"A"`, "invalid"},
		{"code", `""`, "invalid"},
		{"code", `"a\n"`, "invalid"},
		{"kind", `"direct"`, ""},
		{"kind", `""`, "invalid"},
		{"kind", `"other"`, "invalid"},
		{"kind", "null", ""},
		{"user", "9007199254740991", ""},
		{"user", "0", "invalid"},
		{"user", "9007199254740992", "invalid"},
		{"user", "18446744073709551615", "invalid"},
		{"user", "-1", "invalid"},
		{"user", "1.5", "invalid"},
		{"user", "-", "invalid"},
		{"seq", "9007199254740991", ""},
		{"seq", "null", "invalid"},
		{"seq", "9007199254740992", "invalid"},
		{"seq", "-", "invalid"},
		{"wait", "9", ""},
		{"wait", "10", "invalid"},
		{"wait", "-1", "invalid"},
		{"wait", "null", ""},
		{"ids", "[1,1,2]", ""},
		{"ids", "[1,2,3,4]", "invalid"},
		{"ids", "[0]", "invalid"},
		{"ids", "null", ""},
		{"ids", `["1"]`, "invalid"},
		{"until", "null", ""},
	} {
		fields := map[string]json.RawMessage{}
		for name, v := range good {
			fields[name] = json.RawMessage(v)
		}
		if tt.field != "" {
			fields[tt.field] = json.RawMessage(tt.value)
		}
		if tt.value == "-" {
			delete(fields, tt.field)
		}
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		a := b.raw("POST", "form", "", "application/json", string(body))
		switch tt.code {
		case "":
			if a.status != 200 {
				t.Errorf("%s: %d %s", body, a.status, a.raw)
			}
		case "too_large":
			b.problem(a, 413, tt.code)
		default:
			b.problem(a, 422, tt.code)
			if !strings.Contains(string(a.raw), fmt.Sprintf(`"field":"%s`, tt.field)) {
				t.Errorf("%s: not blamed: %s", body, a.raw)
			}
		}
	}
	a := b.raw("POST", "form", "", "application/json", `{"name":"a","user":0,"seq":1,"code":"A"}`)
	if n := strings.Count(string(a.raw), `"field"`); n != 3 {
		t.Errorf("%d of 3 bad fields are named: %s", n, a.raw)
	}
}

// TestFieldsInDocument: the document shows the rows that decide, with this installation's limits.
func TestFieldsInDocument(t *testing.T) {
	raw, err := document(About{}, []Route{formRoute()}, map[string]int{"big": 8, "ids": 0})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Body struct {
				Rule    string                           `json:"x-rule"`
				Content map[string]struct{ Example any } `json:"content"`
			} `json:"requestBody"`
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	body := doc.Paths["/form"]["post"].Body
	if got := fmt.Sprint(body.Content["application/json"].Example); got != "map[name:ann]" || body.Rule != "never two of them" {
		t.Errorf("example %s, rule %q", got, body.Rule)
	}
	form := doc.Components.Schemas["FormBody"]
	if got := fmt.Sprint(form.Required); got != "[name user seq]" {
		t.Errorf("required are %s", got)
	}
	for name, parts := range map[string][]string{
		"name":  {`"type":"string"`, `"minLength":2`, `"maxLength":4`, `"x-rule":"visible text`, `"examples":["ann"]`},
		"note":  {`"type":["string","null"]`},
		"bytes": {`"maxLength":4`, `"x-max-bytes":4`},
		"big":   {`"maxLength":8`, `"x-max-bytes":8`},
		"code":  {`"pattern":"^[a-z]*$"`},
		"kind":  {`"enum":["group","direct",null]`},
		"user":  {`"type":"integer"`, `"minimum":1`, `"maximum":9007199254740991`},
		"seq":   {`"type":"integer"`, `"minimum":0`, `"maximum":9007199254740991`},
		"wait":  {`"minimum":0`, `"maximum":9`, `"type":["integer","null"]`},
		"ids":   {`"type":["array","null"]`, `"minimum":1`},
	} {
		for _, part := range parts {
			if !strings.Contains(string(form.Properties[name]), part) {
				t.Errorf("%s lacks %s: %s", name, part, form.Properties[name])
			}
		}
	}
	if strings.Contains(string(form.Properties["ids"]), "maxItems") {
		t.Errorf("a limit that is off shows: %s", form.Properties["ids"])
	}
}
