package chat_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// TestRowsOfLimitsAreWhole walks the limits through the struct, its defaults and what `welcome` shows.
func TestRowsOfLimitsAreWhole(t *testing.T) {
	all := chat.ByGateway | chat.ByWorker | chat.ByAPI
	v := reflect.ValueOf(chat.DefaultLimits())
	var fields []string
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key := tag.Get("yaml")
		fields = append(fields, key)
		at := slices.IndexFunc(chat.LimitSpecs(), func(s chat.LimitSpec) bool { return s.Key == key })
		if at < 0 {
			t.Errorf("%s has no row", key)
			continue
		}
		s := chat.LimitSpecs()[at]
		if s.By == 0 || s.By&^all != 0 || s.Unit == "" || s.Doc == "" || v.Field(i).IsZero() && !s.Off || chat.DefaultLimits().Value(key) != v.Field(i).Interface() {
			t.Errorf("%+v: a column is empty, or the default is 0 (which is off) or another one", s)
		}
		want := "-"
		if s.Shown {
			want = key
		}
		if tag.Get("json") != want {
			t.Errorf("%s: the JSON name is %q, its row says %q", key, tag.Get("json"), want)
		}
	}
	keys := chat.LimitKeys(all)
	if slices.Sort(keys); !slices.Equal(keys, slices.Sorted(slices.Values(fields))) {
		t.Errorf("rows for %v, fields for %v", keys, fields)
	}
}

func TestLimitsOfAProcess(t *testing.T) {
	got := chat.DefaultLimits().For(chat.ByGateway)
	want := chat.Limits{
		MessageBytes: 16 << 10, FrameBytes: 64 << 10, SyncRooms: 100, Watch: 200, MessagesPerSecond: 50, MessageBurst: 200,
		DataBytes: 8 << 10, DataDepth: 32,
		SocketsPerUser: 100, ConnectsPerMinute: 600, Unauthenticated: 5000, UnauthPerAddress: 500, HandshakeFailures: 600,
		UserMessagesPerSecond: 50, UserFramesPerSecond: 100, UserMessageBurst: 200, RoomReactionsPerSecond: 250, RoomReactionBurst: 500,
	}
	if got != want {
		t.Errorf("the gateway reads %+v, want %+v", got, want)
	}
}

func TestNegativeLimitsAreRefused(t *testing.T) {
	if err := (chat.Limits{}).Validate(); err != nil {
		t.Errorf("all limits off: %v", err)
	}
	err := chat.Limits{Watch: -1, MessagesPerSecond: -0.5, RequestTime: -1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three negative limits: %v", err)
	}
}

// TestAtOnce: of what costs much, a part may be taken at once, and all of it where that is little.
func TestAtOnce(t *testing.T) {
	l := chat.DefaultLimits()
	for what, tt := range map[string]struct {
		got  chat.Rate
		want chat.Rate
	}{
		"logins":         {l.LoginRate(), chat.Rate{Limit: 600, Per: time.Minute, Burst: 40}},
		"failures":       {l.FailureRate(), chat.Rate{Limit: 300, Per: time.Hour, Burst: 40}},
		"registrations":  {l.RegisterRate(), chat.Rate{Limit: 240, Per: time.Minute, Burst: 40}},
		"new rooms":      {l.RoomPace(), chat.Rate{Limit: 10, Per: time.Second, Burst: 40}},
		"rooms are off":  {chat.Limits{}.RoomPace(), chat.Rate{Per: time.Second, Burst: 40}},
		"searches":       {l.SearchRate(), chat.Rate{Limit: 120, Per: time.Minute, Burst: 40}},
		"bad tokens":     {l.TokenRate(), chat.Rate{Limit: 3000, Per: time.Minute, Burst: 400}},
		"few failures":   {chat.Limits{LoginFailures: 10}.FailureRate(), chat.Rate{Limit: 10, Per: time.Hour, Burst: 10}},
		"many failures":  {chat.Limits{LoginFailures: 8000}.FailureRate(), chat.Rate{Limit: 8000, Per: time.Hour, Burst: 1000}},
		"no such limit":  {chat.Limits{}.FailureRate(), chat.Rate{Per: time.Hour}},
		"one at a time":  {chat.Limits{LoginPerMinute: 1}.LoginRate(), chat.Rate{Limit: 1, Per: time.Minute, Burst: 1}},
		"many of logins": {chat.Limits{LoginPerMinute: 6000}.LoginRate(), chat.Rate{Limit: 6000, Per: time.Minute, Burst: 375}},
	} {
		if tt.got != tt.want || tt.got.Off() != (tt.want.Limit == 0) {
			t.Errorf("%s: %+v, want %+v", what, tt.got, tt.want)
		}
	}
}

// TestRate: GCRA gives a burst at once and the rate after it, and a refusal says exactly when there is more.
func TestRate(t *testing.T) {
	r := chat.Rate{Limit: 10, Per: time.Second, Burst: 5}
	now := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	var used time.Time
	took := 0
	take := func(n int) (wait time.Duration) {
		if used, wait = r.Take(used, now, n); wait == 0 {
			took += n
		}
		return wait
	}
	for range 8 {
		take(1)
	}
	wait := take(1)
	if took != 5 || wait != 100*time.Millisecond {
		t.Errorf("took %d of a burst of 5, then wait %v, want 100ms", took, wait)
	}
	if now = now.Add(wait - time.Nanosecond); take(1) == 0 {
		t.Error("there is one before the wait is over")
	}
	if now = now.Add(time.Nanosecond); take(1) != 0 {
		t.Error("there is none when the wait is over")
	}
	now = now.Add(time.Hour)
	if took = 0; take(99) != 0 || take(1) == 0 {
		t.Error("more than the burst isn't taken as a burst, or an hour saves up more than that")
	}
	for i := range 10_000 { // at any pace, the rate holds
		now = now.Add(time.Duration(i%7) * 20 * time.Millisecond)
		take(1)
	}
	if over := now.Sub(time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)); took > 99+int(over/r.Step())+10 {
		t.Errorf("%d in %v", took, over)
	}
	if !(chat.Rate{}).Off() || r.Off() || r.Near(now.Add(r.Room()/9), now) || !r.Near(now.Add(r.Room()/7), now) {
		t.Error("off, or near the end, is something else")
	}
}
