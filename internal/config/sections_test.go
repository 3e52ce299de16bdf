package config

import (
	"slices"
	"strings"
	"testing"
)

// TestRabbitMQNodes: what can't be nodes of one cluster is refused by name, and never by showing a password.
func TestRabbitMQNodes(t *testing.T) {
	for name, tt := range map[string]struct {
		urls string
		says string // "": nothing is wrong
	}{
		"none":               {"", ""},
		"one":                {"amqp://u:hidden@a/v", ""},
		"three":              {"amqp://u:hidden@a/v, amqp://u:hidden@b/v ,amqp://u:hidden@c:5673/v", ""},
		"the default vhost":  {"amqp://u:hidden@a,amqp://u:hidden@b/", ""},
		"two vhosts":         {"amqp://u:hidden@a/v,amqp://u:hidden@b/w", "rabbitmq.urls: entry 2 (b) has another virtual host than entry 1 (a)"},
		"two users":          {"amqp://u:hidden@a/v,amqp://x:hidden@b/v", "rabbitmq.urls: entry 2 (b) has another user"},
		"two passwords":      {"amqp://u:hidden@a/v,amqp://u:hidden2@b/v", "rabbitmq.urls: entry 2 (b) has another password"},
		"half encrypted":     {"amqp://u:hidden@a/v,amqps://u:hidden@b/v", "rabbitmq.urls: entry 2 (b) has another scheme"},
		"twice":              {"amqp://u:hidden@a/v,amqp://u:hidden@a/v", "rabbitmq.urls: entry 2: a is there twice"},
		"nonsense":           {"amqp://u:hidden@a/v,hidden", "rabbitmq.urls: entry 2: must be amqp://"},
		"a comma":            {"amqp://u:hid,den@a/v", "%2C"},
		"the first nonsense": {"hidden,amqp://u:hidden@a/v", "rabbitmq.urls: entry 1: must be amqp://"},
	} {
		t.Run(name, func(t *testing.T) {
			c := defaults()
			err := Load("", &c, Environ([]string{"CHAT_RABBITMQ_URLS=" + tt.urls}))
			if (tt.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Load = %v, want something like %q", err, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("a password shows: %v", err)
			}
		})
	}
}

func TestRabbitMQAddresses(t *testing.T) {
	r := DefaultRabbitMQ()
	if got := r.Addresses(); len(got) != 1 || got[0] != r.URL.Reveal() {
		t.Errorf("addresses %v, want the one", got)
	}
	urls := []string{"amqps://a", "amqps://b", "amqps://c"}
	orders := map[string]bool{}
	for range 100 {
		r.URLs = nil
		for _, u := range urls {
			r.URLs = append(r.URLs, NewSecret(u))
		}
		r.Shuffle()
		orders[strings.Join(r.Addresses(), " ")] = true
		if got := r.Addresses(); !slices.Equal(slices.Sorted(slices.Values(got)), urls) {
			t.Fatalf("shuffled to %v", got)
		}
	}
	if len(orders) < 2 {
		t.Error("a hundred processes have one order")
	}
	if security, err := r.TLSConfig(); err != nil || security == nil {
		t.Errorf("TLS of amqps:// nodes: %v, %v", security, err)
	}
}
