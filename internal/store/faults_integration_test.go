//go:build integration

package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
)

// proxy stands between the store and its server, and can lose the answer to a COMMIT.
type proxy struct {
	net.Listener
	target string

	mu   sync.Mutex
	cuts int // COMMITs whose answers are still to be lost
	lost int
}

func newProxy(t *testing.T, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	p := &proxy{Listener: l, target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return p
}

func (p *proxy) cut(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = n
}

func (p *proxy) losing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cuts == 0 {
		return false
	}
	p.cuts--
	p.lost++
	return true
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer s.Close()
	var mu sync.Mutex
	silent := false
	var answers sync.WaitGroup
	defer answers.Wait()
	defer s.Close()
	answers.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := s.Read(buf)
			mu.Lock()
			dumb := silent
			mu.Unlock()
			if err != nil || dumb { // the COMMIT has been carried out: only its answer is lost
				c.Close()
				return
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if bytes.HasSuffix(buf[:n], []byte("COMMIT")) && p.losing() {
			mu.Lock()
			silent = true
			mu.Unlock()
		}
		if _, err := io.Copy(s, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}

// behindProxy returns a store that reaches a migrated database through a proxy.
func behindProxy(t *testing.T, env string) (*store.Store, *proxy) {
	var o db.Options
	storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
	p := newProxy(t, net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	_, port, err := net.SplitHostPort(p.Addr().String())
	ok(t, err)
	o.Host = "127.0.0.1"
	o.Port, err = strconv.Atoi(port)
	ok(t, err)
	d, err := store.Open(o)
	ok(t, err)
	t.Cleanup(func() { d.Close() })
	return d, p
}

func TestCommitAnswerLost(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			d, p := behindProxy(t, env)
			u := makeUsers(t, d, 2)
			room := makeRoom(t, d, u...).Room.ID

			p.cut(2)
			sent, heads, err := d.Messages.Append(ctx, []chat.Send{send(room, u[0], "a", "x"), send(room, u[0], "a", "x")}, time.Now())
			ok(t, err)
			if sent[0].Err != nil || sent[0].Duplicate || !sent[1].Duplicate || sent[0].Message.Seq != 2 || heads[0].Before != 1 {
				t.Fatalf("%+v %+v", sent, heads)
			}

			p.cut(2)
			react := chat.Change{Room: room, Seq: 2, User: u[1], ID: "a", Kind: chat.ChangeReaction, Key: "+", On: true}
			same := react
			same.ID = "b"
			done, _, err := d.Changes.Apply(ctx, []chat.Change{react, react, same}, time.Now())
			ok(t, err)
			if done[0].Err != nil || done[0].Repeat || done[0].ChangeSeq != 1 || done[0].Prev != 0 || !done[1].Repeat || done[2].Repeat || !done[2].NoOp {
				t.Fatalf("%+v", done)
			}

			p.cut(1)
			name := "made-once"
			made, err := d.Accounts.CreateUser(ctx, chat.User{Username: name, PasswordHash: "salted"})
			ok(t, err)
			if have, err := d.Accounts.UserByLogin(ctx, name); err != nil || have.ID != made.ID {
				t.Fatal(have, err)
			}

			p.cut(1)
			added, err := d.Rooms.AddMembers(ctx, room, u[0], []chat.UserID{made.ID})
			ok(t, err)
			if len(added) != 1 {
				t.Fatal(added)
			}

			p.cut(1)
			wantKind(t, d.Rooms.Dissolve(ctx, room, u[0]), chat.Unavailable) // unknown either way
			p.cut(5)
			_, _, err = d.Messages.Append(ctx, []chat.Send{send(room, u[0], "a", "x")}, time.Now())
			wantKind(t, err, chat.Unavailable)
			if p.lost != 12 {
				t.Fatalf("the proxy lost %d answers: the test proves nothing", p.lost)
			}
		})
	}
}

func TestServerUnreachable(t *testing.T) {
	d, err := store.Open(db.Options{Port: 1, Timeout: time.Second})
	ok(t, err)
	defer d.Close()
	wantKind(t, d.Operator.SchemaReady(ctx), chat.Unavailable)
	_, err = d.Accounts.User(ctx, 1)
	wantKind(t, err, chat.Unavailable)
	_, _, err = d.Messages.Append(ctx, []chat.Send{send(1, 1, "a", "x")}, time.Now())
	wantKind(t, err, chat.Unavailable)
	done, cancel := context.WithCancel(ctx)
	cancel()
	wantKind(t, d.Operator.Beat(done, chat.LiveWorker{Boot: "b"}), chat.Unavailable)
}

// TestRepeatedChangesAreFound: a store that has met no repeat lately doesn't look for any; it finds those that there are all the same, where
// they would be accepted and where they would be refused, and answers what stands beside them in the batch.
func TestRepeatedChangesAreFound(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			var o db.Options
			d := storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
			u := makeUsers(t, d, 2)
			room := makeRoom(t, d, u...).Room.ID
			_, _, err := d.Messages.Append(ctx, []chat.Send{send(room, u[0], "a", "x")}, time.Now())
			ok(t, err)
			apply := func(want string, batch ...chat.Change) {
				t.Helper()
				fresh, err := store.Open(o)
				ok(t, err)
				defer fresh.Close()
				done, _, err := fresh.Changes.Apply(ctx, batch, time.Now())
				ok(t, err)
				var got []string
				for _, x := range done {
					if x.Err != nil {
						got = append(got, x.Err.Kind.String())
						continue
					}
					got = append(got, fmt.Sprint(x.ChangeSeq, x.Repeat, x.NoOp))
				}
				if fmt.Sprint(got) != want {
					t.Errorf("got %v, want %s", got, want)
				}
			}
			edit := func(id, content string) chat.Change {
				return chat.Change{Room: room, Seq: 2, User: u[0], Session: "s", ID: id, Kind: chat.ChangeEdit, Content: &content}
			}
			one := edit("e1", "one")
			versioned := edit("e2", "two")
			versioned.IfVersion = 2
			apply("[1 false false]", one)
			apply("[2 false false]", versioned)
			apply("[3 false false 1 true false 3 false true]", edit("e3", "three"), one, edit("e4", "three"))
			apply("[3 true true 4 false false]", edit("e4", "three"), edit("e5", "four"))
			apply("[2 true false 5 false false]", versioned, edit("e6", "five")) // it would be refused
			apply("[idempotency_conflict version_conflict 6 false false]", edit("e1", "other"),
				func() chat.Change { c := edit("e7", "x"); c.IfVersion = 1; return c }(), edit("e8", "six"))
		})
	}
}
