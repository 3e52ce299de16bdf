package privatestack

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/ops/bench"
	"chat-service/internal/ops/stack"
)

// The private servers have passwords of their own: S7 and the limits log in with what the run's processes use.
func TestAddressesCarryTheRunsAccounts(t *testing.T) {
	for _, name := range []string{"CHAT_DATABASE_HOST", "CHAT_DATABASE_PORT", "CHAT_RABBITMQ_URL", "CHAT_RABBITMQ_URL_FILE"} {
		t.Setenv(name, "")
	}
	path := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := New(Options{Dir: path, Gateways: 1, Out: stack.NewProgress(io.Discard)})
	var sys bench.System
	if err := b.servers(&sys); err == nil {
		t.Error("a folder in which nothing runs has servers")
	}
	d, err := stack.OpenDir(path, stack.NewProgress(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Start(stack.Spec{Name: "api", Path: "/bin/sleep", Args: []string{"60"}, Stop: time.Second}); err != nil {
		t.Fatal(err)
	}
	write("ports.json", `{"api":1,"gw1":2,"mysql":3,"rabbitmq":4}`)
	write("env.json", `{"CHAT_DATABASE_HOST":"127.0.0.1","CHAT_DATABASE_PORT":"3","CHAT_DATABASE_USER":"root",`+
		`"CHAT_DATABASE_PASSWORD":"of-this-run","CHAT_DATABASE_DBNAME":"chat_service","CHAT_RABBITMQ_URL":"amqp://u:p@127.0.0.1:4/"}`)
	sys, err = b.addresses()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := mysql.ParseDSN(sys.MySQL)
	if err != nil || cfg.User != "root" || cfg.Passwd != "of-this-run" || cfg.Addr != "127.0.0.1:3" || cfg.DBName != "chat_service" {
		t.Errorf("MySQL at %q, %v", sys.MySQL, err)
	}
	if want := "amqp://u:p@127.0.0.1:4/"; sys.AMQP != want {
		t.Errorf("RabbitMQ at %q, want %q", sys.AMQP, want)
	}
	if sys.API != "http://127.0.0.1:1/api/v1" || len(sys.Gateways) != 1 {
		t.Errorf("api %q, gateways %v", sys.API, sys.Gateways)
	}
}
