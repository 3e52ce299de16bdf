package api

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// limited is a server with tight bounds per user that counts for itself, and the token of a user who has a room.
func limited(t *testing.T, change func(*chat.Limits)) (b *bench, token, room string) {
	t.Helper()
	b = newBench(t, func(o *Options, p *Ports) {
		p.Throttle = nil
		change(&o.Limits)
	})
	token = b.join("ann")
	a := b.do(201, "POST", "rooms", token, `{"name":"first","visibility":"public"}`)
	return b, token, fmt.Sprint(a.body["id"])
}

// refused wants a 429 that says how long.
func (b *bench) refused(method, path, token, body string) {
	b.Helper()
	a := b.raw(method, path, token, map[bool]string{true: "application/json"}[body != ""], body)
	b.problem(a, 429, "rate_limited")
	if a.head.Get("Retry-After") == "" {
		b.Error("no Retry-After")
	}
}

func TestRoomsOfAUser(t *testing.T) {
	b, token, _ := limited(t, func(l *chat.Limits) { l.RoomsPerHour = 3 })
	other := b.join("bob")
	b.do(201, "POST", "rooms", token, `{"type":"direct","member_ids":[2]}`)
	for range 5 { // found, not made
		b.do(200, "POST", "rooms", token, `{"type":"direct","member_ids":[2]}`)
	}
	for range 5 { // not made either
		b.raw("POST", "rooms", token, "application/json", `{"name":"x","member_ids":[999]}`)
	}
	b.do(201, "POST", "rooms", token, `{"name":"third"}`)
	b.refused("POST", "rooms", token, `{"name":"fourth"}`)
	b.do(200, "POST", "rooms", token, `{"type":"direct","member_ids":[2]}`) // it was there before the allowance was used up
	b.join("carl")
	b.refused("POST", "rooms", token, `{"type":"direct","member_ids":[3]}`)
	b.do(201, "POST", "rooms", other, `{"name":"of somebody else"}`)
	b.pass(20 * time.Minute)
	b.do(201, "POST", "rooms", token, `{"name":"fourth"}`)
}

func TestInvitationsOfAUser(t *testing.T) {
	b, token, room := limited(t, func(l *chat.Limits) { l.InvitationsPerHour = 4 })
	for _, name := range []string{"b", "c", "d", "e", "f"} {
		b.join(name + "2")
	}
	b.do(201, "POST", "rooms", token, `{"name":"second","member_ids":[2]}`)
	b.do(200, "POST", "rooms/"+room+"/members", token, `{"member_ids":[2,3]}`)
	for range 5 { // they are there already
		b.do(200, "POST", "rooms/"+room+"/members", token, `{"member_ids":[3]}`)
	}
	b.refused("POST", "rooms/"+room+"/members", token, `{"member_ids":[4,5]}`)
	b.refused("POST", "rooms", token, `{"name":"third","member_ids":[4,5]}`)
	b.do(200, "POST", "rooms/"+room+"/members", token, `{"member_ids":[4]}`)
	b.refused("POST", "rooms/"+room+"/members", token, `{"member_ids":[5]}`)
	joins := b.join("g2")
	b.do(200, "POST", "rooms/"+room+"/members", joins, fmt.Sprintf(`{"member_ids":[%d]}`, 7)) // who joins invites nobody
}

func TestSearchesOfAUser(t *testing.T) {
	b, token, _ := limited(t, func(l *chat.Limits) { l.SearchesPerMinute = 4 })
	for range 2 {
		b.do(200, "GET", "users?q=a", token, "")
		b.do(200, "GET", "rooms?visibility=public&q=a", token, "")
	}
	b.refused("GET", "users?q=a", token, "")
	b.refused("GET", "rooms?visibility=public", token, "")
	b.do(200, "GET", "rooms", token, "")
	b.do(200, "GET", "users?q=a", b.join("bob"), "")
	b.pass(15 * time.Second)
	b.do(200, "GET", "users?q=a", token, "")
}

func TestMessagesOfAUserByREST(t *testing.T) {
	b, token, room := limited(t, func(l *chat.Limits) { l.UserMessagesPerSecond, l.UserMessageBurst = 1, 10 })
	post := func(want int) {
		t.Helper()
		b.do(want, "POST", "rooms/"+room+"/messages", token, `{"content":"x"}`)
	}
	for range 10 {
		post(201)
	}
	b.refused("POST", "rooms/"+room+"/messages", token, `{"content":"x"}`)
	b.pass(time.Second)
	post(201)
}

// TestMessagesAreSharedWithOtherProcesses: who has sent little costs no question; who comes near to the bound is asked for, with what they
// had sent before, and pays for what other processes let them send.
func TestMessagesAreSharedWithOtherProcesses(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Limits.UserMessagesPerSecond, o.Limits.UserMessageBurst = 1, 40 })
	token := b.join("ann")
	b.do(201, "POST", "rooms", token, `{"name":"first"}`)
	post := func(want int) {
		t.Helper()
		b.do(want, "POST", "rooms/1/messages", token, `{"content":"x"}`)
	}
	for range 5 {
		post(201)
	}
	if n := b.state.asked["messages:1"]; n != 0 {
		t.Errorf("%d questions for five messages", n)
	}
	post(201)
	if n := b.state.fails["messages:1"]; n != 6 {
		t.Errorf("%d messages are known to the others, want 6", n)
	}
	b.state.fails["messages:1"] = 40 // by other processes
	post(429)
	b.state.down = errDown // the process goes on by itself
	post(201)
}

// TestNobodyHasItAnewWithoutRedis: what a process let somebody take is not there again while the shared count is unavailable.
func TestNobodyHasItAnewWithoutRedis(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Limits.SearchesPerMinute = 3 })
	token := b.join("ann")
	for range 3 {
		b.do(200, "GET", "users?q=a", token, "")
	}
	b.state.down = errDown
	b.refused("GET", "users?q=a", token, "")
	b.pass(20 * time.Second)
	b.do(200, "GET", "users?q=a", token, "")
}

// TestStrangers: an address may call only so often without a valid token; good tokens and expired ones are never refused for it, and other
// addresses don't pay.
func TestStrangers(t *testing.T) {
	b := newBench(t, func(o *Options, p *Ports) {
		o.Limits.BadTokens = 10
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	token := b.join("ann")
	login := b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`)
	refresh := func(token, address string) answer {
		return b.raw("POST", "auth/refresh", "", "application/json", `{"refresh_token":"`+token+`"}`, "X-Forwarded-For", address)
	}
	get := func(token, address string) answer {
		return b.raw("GET", "me", token, "", "", "X-Forwarded-For", address)
	}
	good := login.body["refresh_token"].(string)
	for range 20 { // valid ones stay free
		a := refresh(good, "9.9.9.9")
		if a.status != 200 {
			t.Fatalf("refresh: %d %s", a.status, a.raw)
		}
		good = a.body["refresh_token"].(string)
	}
	for i := range 10 {
		ask := []func() answer{
			func() answer { return get("", "9.9.9.9") }, func() answer { return get("junk", "9.9.9.9") }, func() answer { return refresh("junk", "9.9.9.9") },
		}[i%3]
		b.problem(ask(), 401, "unauthenticated")
	}
	for what, a := range map[string]answer{
		"no token": get("", "9.9.9.9"), "junk": get("junk", "9.9.9.9"), "a refresh token": refresh("junk", "9.9.9.9"),
	} {
		if b.problem(a, 429, "rate_limited"); a.head.Get("Retry-After") != "6" {
			t.Errorf("%s: Retry-After %q, want 6", what, a.head.Get("Retry-After"))
		}
	}
	if n := b.store.Calls("RotateRefresh"); n != 23 {
		t.Errorf("the store was asked for %d refresh tokens, want 23", n)
	}
	if a := get(token, "9.9.9.9"); a.status != 200 {
		t.Errorf("a good token at that address: %d %s", a.status, a.raw)
	}
	b.problem(get("old|1|x", "9.9.9.9"), 401, "token_expired")
	b.problem(get("junk", "2.2.2.2"), 401, "unauthenticated")
	b.pass(6 * time.Second)
	b.problem(get("junk", "9.9.9.9"), 401, "unauthenticated")
	b.problem(get("junk", "9.9.9.9"), 429, "rate_limited")
}

// TestConfirmationsOfAUser: the right password costs a hash, too.
func TestConfirmationsOfAUser(t *testing.T) {
	b, token, _ := limited(t, func(l *chat.Limits) { l.LoginFailures = 4 })
	for range 4 {
		b.do(200, "POST", "auth/password", token, `{"old_password":"123456","new_password":"123456"}`)
	}
	b.refused("POST", "auth/password", token, `{"old_password":"123456","new_password":"123456"}`)
	b.do(200, "POST", "auth/login", "", `{"username":"ann","password":"123456"}`)
	b.pass(15 * time.Minute)
	b.do(200, "POST", "auth/password", token, `{"old_password":"123456","new_password":"123456"}`)
}

// TestFloodAsksSeldom: what is used up costs the shared count a question a second, until something is given back.
func TestFloodAsksSeldom(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Limits.SearchesPerMinute = 3 })
	token := b.join("ann")
	for range 3 {
		b.do(200, "GET", "users?q=a", token, "")
	}
	for range 50 {
		b.refused("GET", "users?q=a", token, "")
	}
	if n := b.state.asked["searches:1"]; n != 4 {
		t.Errorf("%d questions for 53 searches, want 4", n)
	}
	b.pass(time.Second)
	b.refused("GET", "users?q=a", token, "")
	if n := b.state.asked["searches:1"]; n != 5 {
		t.Errorf("%d questions after a second, want 5", n)
	}
}

// TestRoomsComeSlowly: an hour's rooms can't be had in one moment.
func TestRoomsComeSlowly(t *testing.T) {
	b, token, _ := limited(t, func(l *chat.Limits) { l.RoomsPerHour = 1000 })
	made := 0
	for range 100 {
		if b.raw("POST", "rooms", token, "application/json", `{"name":"room"}`).status == 201 {
			made++
		}
	}
	if made > chat.RoomsAtOnce || made < chat.RoomsAtOnce-1 { // the bench may have made one
		t.Errorf("%d of 100 rooms at once are made", made)
	}
	b.pass(time.Second)
	for range 10 {
		b.do(201, "POST", "rooms", token, `{"name":"room"}`)
	}
	b.refused("POST", "rooms", token, `{"name":"room"}`)
}

// TestAccountsOneByOne: accounts and logins that come at once wait for each other.
func TestAccountsOneByOne(t *testing.T) {
	b := newBench(t, func(o *Options, p *Ports) {
		o.Now, o.Patience, p.Throttle = time.Now, time.Minute, nil
		o.Limits.RegisterPerMinute, o.Limits.LoginPerMinute = 1200, 12_000 // at once 75 and 750, then one in 50 and 5 ms
	})
	var all sync.WaitGroup
	began := time.Now()
	for i := range 80 {
		all.Go(func() {
			b.do(201, "POST", "auth/register", "", fmt.Sprintf(`{"username":"user%d","password":"123456"}`, i))
		})
	}
	all.Wait()
	if took := time.Since(began); took < 5*50*time.Millisecond {
		t.Errorf("80 accounts were made in %v", took)
	}
}

// TestOffIsOff: with all limits at 0 nothing is refused.
func TestOffIsOff(t *testing.T) {
	b, token, room := limited(t, func(l *chat.Limits) { *l = chat.Limits{} })
	for range 300 {
		b.do(201, "POST", "rooms/"+room+"/messages", token, `{"content":"x"}`)
	}
	for range 150 {
		b.do(200, "GET", "users?q=a", token, "")
	}
}

// TestReactionsOfARoomByREST: the members of a room share an allowance at this api. Other changes, and other rooms, don't wait, and it isn't
// counted against who was refused.
func TestReactionsOfARoomByREST(t *testing.T) {
	b, ann, room := limited(t, func(l *chat.Limits) {
		l.RoomReactionsPerSecond, l.RoomReactionBurst, l.UserMessagesPerSecond, l.UserMessageBurst = 1, 3, 0.01, 8
	})
	bob := b.join("bob")
	b.do(200, "POST", "rooms/"+room+"/members", ann, `{"member_ids":[2]}`)
	b.do(201, "POST", "rooms/"+room+"/messages", ann, `{"content":"x"}`)
	b.do(201, "POST", "rooms", ann, `{"name":"second"}`)
	b.do(201, "POST", "rooms/2/messages", ann, `{"content":"x"}`)
	path := "rooms/" + room + "/messages/3"
	carl := b.join("carl")
	for range 5 { // a stranger uses up nothing of it
		b.problem(b.raw("PUT", path+"/reactions/a", carl, "", ""), 404, "not_found")
	}
	b.do(200, "PUT", path+"/reactions/a", ann, "")
	b.do(200, "PUT", path+"/reactions/a", bob, "")
	b.do(200, "DELETE", path+"/reactions/a", bob, "")
	for range 20 {
		b.refused("PUT", path+"/reactions/b", bob, "")
	}
	b.do(200, "PATCH", path, ann, `{"content":"y"}`)
	b.do(200, "PUT", "rooms/2/messages/2/reactions/a", ann, "")
	b.pass(time.Second)
	b.do(200, "PUT", path+"/reactions/b", bob, "") // of theirs none was used up by what was refused
	b.refused("PUT", path+"/reactions/c", ann, "")
}
