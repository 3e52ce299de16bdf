package rabbit

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"chat-service/internal/config"
)

// TestReach: of several addresses those that don't answer are named, without a password; a single one isn't tried.
func TestReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := func(urls ...string) string {
		t.Helper()
		c := config.DefaultRabbitMQ()
		for _, u := range urls {
			c.URLs = append(c.URLs, config.NewSecret(u))
		}
		var log bytes.Buffer
		reachAll(t.Context(), c, slog.New(slog.NewTextHandler(&log, nil)))
		return log.String()
	}
	live := "amqp://u:hidden@" + l.Addr().String() + "/v"
	if got := said(live, live); got != "" {
		t.Errorf("all answer, and the log says %s", got)
	}
	if got := said("amqp://u:hidden@127.0.0.1:1/v"); got != "" {
		t.Errorf("a single one is dead, and the log says %s", got)
	}
	got := said(live, "amqp://u:hidden@127.0.0.1:1/v")
	if strings.Count(got, "doesn't answer") != 1 || !strings.Contains(got, "addr=127.0.0.1:1 ") || strings.Contains(got, "hidden") {
		t.Errorf("one of two is dead, and the log says %s", got)
	}
}
