//go:build chaos

package chaos

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit/faultproxy"
)

// links are fault proxies, one for each process and what it speaks to: "worker-1 → mysql"; "clients → gateway-2".
type links map[string]*faultproxy.Proxy

func (ls links) names(part string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ls)), func(s string) bool { return !strings.Contains(s, part) })
}

func (ls links) resume() {
	for _, p := range ls {
		p.Resume()
	}
}

func linkName(from, to string) string { return from + " → " + to }

// tap puts proxies into a process's environment.
func (ls links) tap(t testing.TB, process string, env map[string]string) {
	t.Helper()
	if process == "chatctl" {
		return
	}
	kind, _, _ := strings.Cut(process, "-")
	if kind != "gateway" {
		ls.tapHostPort(t, process, "mysql", "CHAT_DATABASE_", env)
		ls.tapHostPort(t, process, "redis", "CHAT_REDIS_", env)
	}
	if kind != "api" {
		u, err := url.Parse(env["CHAT_RABBITMQ_URL"])
		if err != nil {
			t.Fatal(err)
		}
		p := faultproxy.New(t, u.Host)
		ls[linkName(process, "rabbitmq")] = p
		u.Host = p.Addr()
		env["CHAT_RABBITMQ_URL"] = u.String()
	}
}

func (ls links) tapHostPort(t testing.TB, process, to, prefix string, env map[string]string) {
	t.Helper()
	p := faultproxy.New(t, net.JoinHostPort(env[prefix+"HOST"], env[prefix+"PORT"]))
	ls[linkName(process, to)] = p
	host, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	env[prefix+"HOST"], env[prefix+"PORT"] = host, port
}

// jitter delays a link by about mean for d.
func jitter(ctx context.Context, p *faultproxy.Proxy, mean, d time.Duration, r *rand.Rand) {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		p.Latency(mean/2 + time.Duration(r.Int64N(int64(mean))))
		pause(ctx, 100*time.Millisecond)
	}
	p.Resume()
}

// slow lets a link carry bytes only a fifth of the time.
func slow(ctx context.Context, p *faultproxy.Proxy, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		p.Pause()
		pause(ctx, 80*time.Millisecond)
		p.Resume()
		pause(ctx, 20*time.Millisecond)
	}
	p.Resume()
}

// bite cuts a link again and again, each time after some more bytes: inside of frames, statements, a COMMIT.
func bite(ctx context.Context, p *faultproxy.Proxy, d time.Duration, r *rand.Rand) {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		p.LimitBytes(200 + r.Int64N(20_000))
		pause(ctx, 250*time.Millisecond)
	}
	p.Resume()
}
