package chat_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

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
		if s.By == 0 || s.By&^all != 0 || s.Unit == "" || s.Doc == "" || v.Field(i).IsZero() || chat.DefaultLimits().Value(key) != v.Field(i).Interface() {
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
	want := chat.Limits{MessageBytes: 16 << 10, FrameBytes: 64 << 10, SyncRooms: 100, Watch: 200, MessagesPerSecond: 50, MessageBurst: 200}
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
