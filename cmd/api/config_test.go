package main

import (
	"bytes"
	"strings"
	"testing"

	"chat-service/configs"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/config/configtest"
)

const file = "../../configs/api.yaml"

func TestConfig(t *testing.T) {
	configtest.Process[Config, Limits]{
		File: file, Defaults: defaults, Limits: func(c Config) Limits { return c.Limits },
		Reads: chat.LimitKeys(chat.ByAPI), All: chat.LimitKeys(chat.ByGateway | chat.ByWorker | chat.ByAPI),
		Zero: map[string]string{"auth.argon2.concurrency": "0: one per two CPUs", "auth.argon2.queue": "", "auth.refresh_grace": ""},
	}.Check(t)
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
