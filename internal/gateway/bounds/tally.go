package bounds

import (
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// Pace is a chat.Rate in nanoseconds: one comes back in each Step, and as many may be taken at once as fit into Room. Step 0 is no
// bound.
type Pace struct{ Step, Room int64 }

// PaceOf returns a rate's pace.
func PaceOf(r chat.Rate) Pace {
	if r.Off() {
		return Pace{}
	}
	return Pace{int64(r.Step()), int64(r.Room())}
}

// Frames are what a socket has sent lately. Its zero value is a new socket's.
type Frames struct {
	Used    atomic.Int64 // up to when its allowance is used, in Unix nanoseconds
	Over    bool         // the last frame overran it
	refused Tally
}

// Overran notes that a frame overran the allowance, at a time in Unix nanoseconds; true means that too many did lately.
func (f *Frames) Overran(now int64, burst int) bool {
	f.Over = true
	return f.refused.Over(now/int64(time.Millisecond), RefusedSpan, RefusedTimes*max(burst, 1))
}

// BadPerMinute is how many bad frames a minute a socket may send.
const BadPerMinute = 20

// RefusedSpan is how long refusals add up, and RefusedTimes how many bursts of them are too many.
const (
	RefusedSpan  = 10 * time.Second
	RefusedTimes = 5
)

// Tally counts what should not come often. Its zero value has counted nothing.
type Tally struct {
	since int64
	n     int
}

// Over counts one, at a time in Unix milliseconds; true means that there were more than most since a span began.
func (t *Tally) Over(now int64, span time.Duration, most int) bool {
	if now-t.since > span.Milliseconds() {
		t.since, t.n = now, 0
	}
	t.n++
	return t.n > most
}
