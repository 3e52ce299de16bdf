package redis

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chat-service/internal/config"
	"chat-service/internal/state"
)

func TestOptions(t *testing.T) {
	secret := config.NewSecret
	c := config.Redis{
		Addrs: []string{"a:1", "b:2"}, Username: "u", Password: secret("p"), DB: 3, Master: "m", SentinelUsername: "su", SentinelPassword: secret("sp"), TLS: true,
	}
	got, err := Options(c, "chat", 16)
	want := state.Options{
		Addrs: []string{"a:1", "b:2"}, Username: "u", Password: "p", DB: 3, Master: "m", SentinelUsername: "su", SentinelPassword: "sp", Prefix: "chat", Partitions: 16,
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(state.Options{}, "TLS")); d != "" || err != nil || got.TLS == nil {
		t.Errorf("%v\n%s", err, d)
	}
}
