package store

import (
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

func TestOptionsValidate(t *testing.T) {
	if err := (Options{}).Validate(); err != nil {
		t.Fatal(err)
	}
	err := Options{Port: -1, Replicas: []string{"nowhere"}, Partitions: 5000, ReadTimeout: -1}.Validate()
	for _, want := range []string{"port", "replicas", "partitions", "timeouts"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't mention %s", err, want)
		}
	}
}

func TestDriverConfig(t *testing.T) {
	dsn := Options{User: "u", Password: "p@ss/word"}.withDefaults().driverConfig("h:1").FormatDSN()
	for _, want := range []string{"parseTime=true", "interpolateParams=true", "rejectReadOnly=true", "collation=utf8mb4_bin", "timeout=5s", "readTimeout=30s", "writeTimeout=30s", "STRICT_TRANS_TABLES"} {
		if !strings.Contains(dsn, want) {
			t.Errorf("%s lacks %s", dsn, want)
		}
	}
	if strings.Contains(dsn, "multiStatements") {
		t.Error("several statements in one are a door for injection")
	}
}

func TestCursorRoundTrip(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	got, id, paged, err := parseCursor(cursorOf(when, 42))
	if err != nil || !paged || id != 42 || !got.Equal(when) {
		t.Fatal(got, id, paged, err)
	}
	for _, bad := range []string{"x", "!!!!", cursorOf(when, 1)[:3], "LTEuMQ"} {
		if _, _, _, err := parseCursor(bad); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestMergeHeads(t *testing.T) {
	got := mergeHeads(
		[]chat.Head{{Room: 1, Before: 1, Seq: 2}, {Room: 3, Before: 5, Seq: 6}},
		[]chat.Head{{Room: 2, Before: 0, Seq: 1}, {Room: 3, Before: 6, Seq: 9}},
	)
	if len(got) != 3 || got[1].Room != 2 || got[2] != (chat.Head{Room: 3, Before: 5, Seq: 9}) {
		t.Fatal(got)
	}
}
