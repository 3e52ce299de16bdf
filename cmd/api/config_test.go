package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/configs"
	"chat-service/internal/chat"
	"chat-service/internal/config"
)

const file = "../../configs/api.yaml"

func TestConfigFileHoldsEveryKeyWithItsDefault(t *testing.T) {
	got, want := Config{}, defaults()
	if err := config.Load(file, &got, config.Environ(nil)); err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{
		cmp.Comparer(func(a, b config.Secret) bool { return a.Equal(b) }),
		cmp.Transformer("list", func(s []string) []string { return append([]string{}, s...) }),
		cmp.Comparer(func(a, b []config.NamedSecret) bool { return len(a) == len(b) }),
	}
	if d := cmp.Diff(want, got, opts); d != "" {
		t.Errorf("%s differs from the defaults:\n%s", file, d)
	}
	inFile, err := config.FileKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range config.Keys(want) {
		if !slices.Contains(inFile, k) {
			t.Errorf("%s doesn't mention %s", file, k)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ variable, says string }{
		"proxy":     {"CHAT_SERVER_TRUSTED_PROXIES=10.0.0.0/8,nonsense", "server.trusted_proxies"},
		"mode":      {"CHAT_SERVER_MODE=prod", "server.mode"},
		"origin":    {"CHAT_CORS_ORIGINS=https://a.example/path", "cors.origins"},
		"negative":  {"CHAT_LIMITS_ROOM_MEMBERS=-1", "limits"},
		"argon2":    {"CHAT_AUTH_ARGON2_TIME=0", "auth.argon2.time"},
		"grace":     {"CHAT_AUTH_REFRESH_GRACE=1h", "auth.refresh_grace"},
		"misspelt":  {"CHAT_AUTH_IDLE_HOUR=1", "CHAT_AUTH_IDLE_HOUR"},
		"partition": {"CHAT_RABBITMQ_PARTITIONS=0", "rabbitmq.partitions"},
		"any origin in release": {
			"CHAT_CORS_ORIGINS=*\nCHAT_SERVER_MODE=release", "cors.origins",
		},
		"cheap hashes in release": {"CHAT_AUTH_ARGON2_MEMORY_KIB=64\nCHAT_SERVER_MODE=release", "auth.argon2.memory_kib"},
	} {
		t.Run(name, func(t *testing.T) {
			c := defaults()
			err := config.Load(file, &c, config.Environ(strings.Split(tt.variable, "\n")), config.Shared(configs.Files))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Load = %v, want something about %s", err, tt.says)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	var out, errs bytes.Buffer
	if code := process().Run(t.Context(), []string{"-config", file, "-check"}, &out, &errs); code != 0 || !strings.Contains(out.String(), "valid") {
		t.Errorf("-check = %d: %s%s", code, &out, &errs)
	}
	out.Reset()
	if code := process().Run(t.Context(), []string{"-print-defaults"}, &out, &errs); code != 0 || strings.Contains(out.String(), config.DevelopmentSecret) {
		t.Errorf("-print-defaults = %d: %s", code, &out)
	}
}

// TestRefreshKey: all processes of an installation derive one key, which isn't the one that signs.
func TestRefreshKey(t *testing.T) {
	a, b, other := defaults(), defaults(), defaults()
	other.JWT.Secret = config.NewSecret("another secret, as long as it has to be")
	if !bytes.Equal(a.refreshKey(), b.refreshKey()) {
		t.Error("two processes derive different keys from one secret")
	}
	if bytes.Equal(a.refreshKey(), other.refreshKey()) || bytes.Equal(a.refreshKey(), []byte(a.JWT.Secret.Reveal())) {
		t.Error("the key doesn't depend on the secret, or is the secret")
	}
}

func TestEveryLimitCanBeOff(t *testing.T) {
	var env []string
	for _, key := range chat.LimitKeys(chat.ByAPI) {
		env = append(env, config.EnvName("limits."+key)+"=0")
	}
	cfg := defaults()
	if err := config.Load("", &cfg, config.Environ(env)); err != nil || cfg.Limits != (Limits{}) {
		t.Errorf("all limits set to 0: %+v, %v", cfg.Limits, err)
	}
}

func TestLimitsOfOtherProcessesAreUnknown(t *testing.T) {
	for _, s := range chat.LimitSpecs() {
		cfg := defaults()
		err := config.Load("", &cfg, config.Environ([]string{config.EnvName("limits."+s.Key) + "=0"}))
		if reads := s.By&chat.ByAPI != 0; reads != (err == nil) {
			t.Errorf("%s is read here: %v, but Load says %v", s.Key, reads, err)
		}
	}
}
