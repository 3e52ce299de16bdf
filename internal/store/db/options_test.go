package db

import (
	"strings"
	"testing"
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
	for _, want := range []string{"parseTime=true", "interpolateParams=true", "collation=utf8mb4_bin", "timeout=5s", "readTimeout=30s", "writeTimeout=30s", "STRICT_TRANS_TABLES"} {
		if !strings.Contains(dsn, want) {
			t.Errorf("%s lacks %s", dsn, want)
		}
	}
	if strings.Contains(dsn, "multiStatements") {
		t.Error("several statements in one invite injection")
	}
}

// TestBoundsOfAPool: what is left out has a default, and what is negative is no bound.
func TestBoundsOfAPool(t *testing.T) {
	for bound, want := range map[int]int{0: 32, 5: 5, -1: 0} {
		o := Options{MaxOpen: bound}.withDefaults()
		p, err := o.open("127.0.0.1:1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.db.Stats().MaxOpenConnections; got != want || o.MaxIdle < want {
			t.Errorf("MaxOpen %d: at most %d connections, %d of them unused, want %d (0: no bound)", bound, got, o.MaxIdle, want)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
