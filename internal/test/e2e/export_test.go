//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exported fetches all pages of an export.
func (w *world) exported(t *testing.T, key string, what obj) (file string) {
	t.Helper()
	id := w.api.Must(t, 201, "POST", "/server/export", key, what).Num("id")
	for cursor, pages := "", 0; pages < 100; pages++ {
		r, err := w.api.Call(t.Context(), "GET", fmt.Sprintf("/server/export/%d%s", id, cursor), key, nil)
		if err != nil || r.Status != 200 {
			t.Fatalf("page %d: %v %d %s", pages, err, r.Status, r.Raw)
		}
		file += string(r.Raw)
		next := r.Header.Get("Next-Cursor")
		if next == "" {
			return file
		}
		cursor = "?cursor=" + next
	}
	t.Fatal("the export doesn't end")
	return ""
}

// TestExport: a room that is exported and imported again under another name is the same room: who is in it, and what they wrote; and what a
// user wrote can be imported, too.
func TestExport(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /server/export", "GET /server/export/{job}")
	bad(t, "POST /server/export", "GET /server/export/{job}")
	key, _ := newKey(t, w.Fleet, "users,tokens,rooms,messages,moderation,read")
	mark := fresh()
	ann, bob, room := "ann."+mark, "bob."+mark, "room."+mark
	for _, u := range []string{ann, bob} {
		w.api.Must(t, 201, "PUT", "/server/users/ext:"+u, key, obj{"nickname": "Nick <" + u + ">"})
	}
	named := w.api.User(t)
	path := "/server/rooms/ext:" + room
	w.api.Must(t, 201, "PUT", path, key, obj{"name": "Garden", "visibility": "public", "owner": "ext:" + ann, "members": []string{"ext:" + bob, fmt.Sprint(named.ID)}})
	w.api.Must(t, 200, "PUT", path+"/members/ext:"+bob, key, obj{"role": "admin"})
	for i := range 210 { // more than one read
		as := []string{"ext:" + ann, "ext:" + bob, fmt.Sprint(named.ID)}[i%3]
		w.api.Must(t, 201, "POST", path+"/messages", key, obj{"as": as, "content": fmt.Sprintf("text %d", i), "data": obj{"n": i}})
	}
	w.api.Must(t, 201, "POST", path+"/messages", key, obj{"as": "ext:" + bob, "content": "so?", "reply_to": 5})
	w.api.Must(t, 201, "POST", path+"/messages", key, obj{"as": "system", "content": "notice"})
	w.api.Must(t, 200, "DELETE", path+"/messages/7", key, nil) // one of Bob's

	file := w.exported(t, key, obj{"room": "ext:" + room})
	if n := strings.Count(file, "\n"); n != 3+1+2+210 {
		t.Errorf("%d lines:\n%.2000s", n, file)
	}
	copied := strings.NewReplacer(room, "copy."+room, ann, "copy."+ann, bob, "copy."+bob).Replace(file)
	copied = strings.ReplaceAll(copied, fmt.Sprintf(`"user:%d"`, named.ID), `"copy.`+named.Username+`"`)
	copied = strings.ReplaceAll(copied, named.Username, "c"+named.Username) // of the name and the address
	w.imports(t, copied)
	other := w.api.Must(t, 200, "GET", "/server/rooms/ext:copy."+room, key, nil)
	if other.Str("name") != "Garden" || other.Str("visibility") != "public" || other.Num("member_count") != 3 {
		t.Errorf("the copy is %s", other)
	}
	if ms := w.api.Must(t, 200, "GET", "/server/rooms/ext:copy."+room+"/members", key, nil).List("members"); len(ms) != 3 || ms[0].Str("role") != "owner" || ms[1].Str("role") != "admin" {
		t.Errorf("its members are %v", ms)
	}
	texts := func(path string) (all []string) {
		for after, more := uint64(0), true; more; {
			page := w.api.Must(t, 200, "GET", fmt.Sprintf("%s/messages?after_seq=%d&limit=100", path, after), key, nil)
			more = page.Bool("has_more")
			for _, m := range page.List("messages") {
				after = m.Num("seq")
				if m.Str("kind") != "system" && m.Str("content") != "" {
					all = append(all, m.Str("content")+" "+m.Str("created_at")+" "+m.Obj("data").String())
				}
			}
		}
		return all
	}
	if a, b := fmt.Sprint(texts(path)), fmt.Sprint(texts("/server/rooms/ext:copy."+room)); a != b {
		t.Errorf("the room says\n%.500s\nand its copy\n%.500s", a, b)
	}
	if own := w.exported(t, key, obj{"user": "ext:" + bob}); strings.Count(own, `"type":"message"`) != 70 || strings.Contains(own, `"text 0"`) {
		t.Errorf("bob's export has %d messages:\n%.1000s", strings.Count(own, `"type":"message"`), own)
	} else {
		w.imports(t, strings.NewReplacer(room, "own."+room, ann, "own."+ann, bob, "own."+bob).Replace(own))
	}
	refused(t, w.api, want{422, "invalid", "user"}, "POST", "/server/export", key, obj{})
	refused(t, w.api, want{422, "invalid", "room"}, "POST", "/server/export", key, obj{"room": "ext:none"})
	refused(t, w.api, want{404, "not_found", ""}, "GET", "/server/export/9007199254740991", key, nil)
}

// imports has chatctl import a file, of which nothing may be refused.
func (w *world) imports(t *testing.T, file string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "export.jsonl")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := w.Chatctl(t, "import", name); strings.Contains(out, "refused") && !strings.Contains(out, "0 refused") {
		t.Errorf("import says:\n%s", out)
	}
}
