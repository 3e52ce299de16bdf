package worker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeasesAreNotJudgedAfterRedisWasAway(t *testing.T) {
	const lease = 15 * time.Second
	away := errors.New("away")
	synctest.Test(t, func(t *testing.T) {
		var o outage
		if o.noted(nil, lease) || o.recent(lease) {
			t.Error("an outage without any failure")
		}
		o.noted(away, lease)
		time.Sleep(time.Second)
		if o.noted(nil, lease) || o.recent(lease) {
			t.Error("a blink counts, in which no lease can have lapsed")
		}
		o.noted(away, lease)
		time.Sleep(time.Minute)
		o.noted(away, lease)
		if !o.noted(nil, lease) || !o.recent(lease) {
			t.Error("a minute does not count")
		}
		time.Sleep(lease + time.Second)
		if o.noted(nil, lease) || o.recent(lease) {
			t.Error("a lease later it still counts")
		}
	})
}
