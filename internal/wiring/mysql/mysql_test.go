package mysql

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chat-service/internal/config"
	"chat-service/internal/store/db"
)

func TestOptions(t *testing.T) {
	c := config.Database{
		Host: "h", Port: 1, User: "u", Password: config.NewSecret("p"), DBName: "d", Replicas: []string{"r:2"}, TLS: true, MaxOpen: 3, MaxIdle: 2,
		ConnMaxLifetime: config.Duration(4 * time.Second), ConnMaxIdleTime: config.Duration(5 * time.Second),
		DialTimeout: config.Duration(6 * time.Second), ReadTimeout: config.Duration(7 * time.Second), WriteTimeout: config.Duration(8 * time.Second),
	}
	got, err := Options(c, 16)
	want := db.Options{
		Host: "h", Port: 1, User: "u", Password: "p", DBName: "d", Replicas: []string{"r:2"}, MaxOpen: 3, MaxIdle: 2,
		ConnMaxLifetime: 4 * time.Second, ConnMaxIdleTime: 5 * time.Second, Timeout: 6 * time.Second, ReadTimeout: 7 * time.Second,
		WriteTimeout: 8 * time.Second, Partitions: 16,
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(db.Options{}, "TLS", "Hooks", "Now")); d != "" || err != nil || got.TLS == nil {
		t.Errorf("%v\n%s", err, d)
	}
}

// TestZeroIsNotTheDefault: a setting's 0 is no bound, none or never, as it is documented.
func TestZeroIsNotTheDefault(t *testing.T) {
	c := config.DefaultDatabase()
	c.MaxOpen, c.MaxIdle, c.ConnMaxLifetime, c.ConnMaxIdleTime = 0, 0, 0, 0
	o, err := Options(c, 16)
	if err != nil || o.MaxOpen >= 0 || o.MaxIdle >= 0 || o.ConnMaxLifetime >= 0 || o.ConnMaxIdleTime >= 0 {
		t.Errorf("%v, %+v: the store takes 0 for its default", err, o)
	}
}
