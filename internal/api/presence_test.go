package api

import "testing"

func TestPresence(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.join("bob")
	b.join("stranger")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	a := b.do(200, "POST", "presence", ann, `{"user_ids":[3,2,1,77]}`)
	if string(a.raw) != `{"users":[{"user_id":2,"online":true,"last_seen":null},{"user_id":1,"online":true,"last_seen":null}]}` {
		t.Errorf("presence %s", a.raw)
	}
	if a = b.do(200, "POST", "presence", ann, `{"user_ids":[3]}`); string(a.raw) != `{"users":[]}` {
		t.Errorf("strangers %s", a.raw)
	}
	if a = b.do(200, "GET", "users/2/presence", ann, ""); a.body["online"] != true || a.body["user_id"] != 2.0 || len(a.list("users", "user_id")) != 1 {
		t.Errorf("one %s", a.raw)
	}
	b.problem(b.raw("GET", "users/3/presence", ann, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "users/77/presence", ann, "", ""), 404, "not_found")
	b.state.down = errDown
	if a = b.do(200, "GET", "users/2/presence", ann, ""); a.body["online"] != nil {
		t.Errorf("without the state %s", a.raw)
	}
	if _, there := a.body["online"]; !there {
		t.Errorf("unknown is left out: %s", a.raw)
	}
}

// TestWithoutState: nil ports of the state are as good as an unavailable one.
func TestWithoutState(t *testing.T) {
	b := newBench(t, func(_ *Options, p *Ports) { p.Recents, p.Presences, p.Throttle = nil, nil, nil })
	ann := b.join("ann")
	b.do(201, "POST", "rooms", ann, `{"name":"one"}`)
	b.do(201, "POST", "rooms/1/messages", ann, `{"content":"x"}`)
	b.do(200, "GET", "rooms/1/messages", ann, "")
	if a := b.do(200, "POST", "presence", ann, `{"user_ids":[1]}`); a.body["users"].([]any)[0].(map[string]any)["online"] != nil {
		t.Errorf("presence %s", a.raw)
	}
}
