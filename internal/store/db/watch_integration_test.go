//go:build integration

package db

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/ops/stack"
)

// TestReplicasAreWatched: each state of a replica shows in the metrics, and once in the log, with what to do.
func TestReplicasAreWatched(t *testing.T) {
	primary, onPrimary := private(t, stack.MySQL)
	copied, onCopy := private(t, stack.MySQL)
	const beats = ".workers (boot VARCHAR(10) PRIMARY KEY, beat_at DATETIME(6))"
	onPrimary("CREATE TABLE " + primary.Database + beats)
	onCopy("CREATE TABLE " + copied.Database + beats)
	onPrimary("INSERT INTO " + primary.Database + ".workers VALUES ('w', '2026-01-01 00:01:30')")
	onCopy("INSERT INTO " + copied.Database + ".workers VALUES ('w', '2026-01-01 00:00:00')")
	var log logBuffer
	reg := prometheus.NewRegistry()
	m := NewReplicaMetrics(reg)
	d, err := Open(Options{
		Host: primary.Host, Port: primary.Port, User: account, Password: word, DBName: primary.Database,
		Replicas: []string{copied.Addr(), primary.Addr(), "127.0.0.1:1"}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	m.Of(reg, d)
	look := func(wants ...string) {
		t.Helper()
		log.b.Reset()
		d.lookAtReplicas(t.Context())
		for _, want := range wants {
			if log.count(want) != 1 {
				t.Errorf("the log says %q %d times, want once:\n%s", want, log.count(want), &log.b)
			}
		}
		if len(wants) == 0 && log.b.Len() > 0 {
			t.Errorf("the log says\n%s", &log.b)
		}
	}
	// metric is the copy's value, -1 if it has none.
	metric := func(name string, want float64) {
		t.Helper()
		got := -1.0
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, one := range f.GetMetric() {
				if f.GetName() == name && one.GetLabel()[0].GetValue() == copied.Addr() {
					got = one.GetGauge().GetValue()
				}
			}
		}
		if got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}

	look("it is writable, so there may be two primaries", "it is the primary itself", "it can't be reached, the primary is asked in its place")
	metric("chat_mysql_replica_up", 1)
	metric("chat_mysql_replica_read_only", 0)
	metric("chat_mysql_replica_lag_seconds", 90)
	look() // nothing new
	onCopy("SET GLOBAL read_only=ON")
	look("it is behind, what it lacks is read from the primary")
	metric("chat_mysql_replica_read_only", 1)
	onPrimary("UPDATE " + primary.Database + ".workers SET beat_at = '2026-01-01 00:00:02'")
	look("the replica is in order again")
	metric("chat_mysql_replica_lag_seconds", 2)
	onCopy("DROP TABLE " + copied.Database + ".workers") // as for an account that may not read it
	look()
	metric("chat_mysql_replica_lag_seconds", -1)
}
