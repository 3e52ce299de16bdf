//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// redisForgets: who closed their last socket just before Redis lost its data is announced as offline all the same, and nobody else.
func (f *faults) redisForgets(t *testing.T) {
	good(t, "< presence")
	r := f.world.redis(t)
	us := f.users(t, 3)
	watcher, stays := us[0], us[1]
	f.knows(t, watcher)
	s := f.dial(t, 1, watcher)
	f.dial(t, 2, stays)
	waits := func() (n int) {
		for p := range partitions {
			v, err := r.Do("ZCARD", fmt.Sprintf("%s:{o%d}:due", f.Prefix, p))
			if err != nil {
				t.Fatal(err)
			}
			k, _ := v.(int64)
			n += int(k)
		}
		return n
	}
	testkit.Eventually(t, patience, func() (bool, string) { return waits() == 0, "somebody is still due" })
	for range 5 { // the grace is a second: a sweep may come first
		leaves := f.api.User(t)
		f.api.CreateRoom(t, watcher, stays, leaves)
		gone := f.dial(t, 2, leaves)
		s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(stays, leaves)})
		s.Expect(t, about(leaves))
		gone.Drop()
		began := time.Now()
		for waits() == 0 && time.Since(began) < patience { // each look asks Redis sixteen times
		}
		if _, err := r.Do("FLUSHDB"); err != nil {
			t.Fatal(err)
		}
		shows := func(u user, online bool) testkit.Match {
			return func(fr frame) bool {
				for _, x := range fr.List("users") {
					if fr.Str("type") == "presence" && x.Num("user_id") == u.ID && x["online"] == online {
						return true
					}
				}
				return false
			}
		}
		s.Expect(t, shows(leaves, false))
		s.ExpectNone(t, shows(stays, false))
		if time.Since(began) > 5*time.Second { // asked for anew
			return
		}
	}
	t.Error("the sweep came first five times")
}

// comesWithoutRedis: who comes while Redis is away is shown online to those who watch them when it is back.
func (f *faults) comesWithoutRedis(t *testing.T) {
	good(t, "< presence")
	us := f.users(t, 2)
	f.api.CreateRoom(t, us[0], us[1])
	f.knows(t, us[0])
	s := f.dial(t, 1, us[0])
	s.Send(t, obj{"type": "presence", "user_ids": testkit.IDs(us[1])})
	if l := s.Expect(t, about(us[1])).List("users"); l[0]["online"] != false {
		t.Fatalf("the snapshot shows %v", l)
	}
	f.redis.Refuse(true)
	f.redis.Cut()
	f.dial(t, 2, us[1]).Ping(t)
	s.Ping(t)
	f.redis.Resume()
	if l := s.Expect(t, about(us[1])).List("users"); l[0]["online"] != true {
		t.Errorf("shown as %v", l)
	}
}
