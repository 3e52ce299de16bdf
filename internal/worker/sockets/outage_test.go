package sockets

import (
	"errors"
	"testing"
	"time"
)

func TestLeasesAreNotJudgedAfterRedisWasUnreachable(t *testing.T) {
	const lease = 15 * time.Second
	away := errors.New("unreachable")
	now := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	pass := func(d time.Duration) { now = now.Add(d) }
	var o outage
	if o.note(now, nil, lease) || o.recent(now, lease) {
		t.Error("an outage without any failure")
	}
	o.note(now, away, lease)
	pass(time.Second)
	if o.note(now, nil, lease) || o.recent(now, lease) {
		t.Error("a blink counts, in which no lease can have lapsed")
	}
	o.note(now, away, lease)
	pass(time.Minute)
	o.note(now, away, lease)
	if !o.note(now, nil, lease) || !o.recent(now, lease) {
		t.Error("a minute does not count")
	}
	pass(lease + time.Second)
	if o.note(now, nil, lease) || o.recent(now, lease) {
		t.Error("a lease later it still counts")
	}
}
