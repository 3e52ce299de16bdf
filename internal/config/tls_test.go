package config

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTLSConfig(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	good, bad := filepath.Join(t.TempDir(), "good.pem"), filepath.Join(t.TempDir(), "bad.pem")
	for path, text := range map[string][]byte{
		good: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), bad: []byte("nothing"),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := func(s string) RabbitMQ { return RabbitMQ{URL: NewSecret(s)} }
	for _, tt := range []struct {
		name  string
		of    func() (*tls.Config, error)
		on    bool
		ca    bool
		fails string
	}{
		{"mysql in the clear", Database{}.TLSConfig, false, false, ""},
		{"mysql", Database{TLS: true}.TLSConfig, true, false, ""},
		{"mysql with a CA", Database{TLSCA: good}.TLSConfig, true, true, ""},
		{"mysql with a bad CA", Database{TLSCA: bad}.TLSConfig, false, false, "database.tls_ca: "},
		{"mysql with a name", Database{TLS: true, TLSName: "db"}.TLSConfig, true, false, ""},
		{"mysql without its certificate", Database{TLS: true, TLSCert: "nowhere", TLSKey: "nowhere"}.TLSConfig, false, false, "database.tls_cert, database.tls_key: "},
		{"redis without its CA", Redis{TLSCA: "nowhere"}.TLSConfig, false, false, "redis.tls_ca: "},
		{"redis", Redis{TLS: true}.TLSConfig, true, false, ""},
		{"rabbitmq in the clear", url("amqp://x").TLSConfig, false, false, ""},
		{"rabbitmq", url("amqps://x").TLSConfig, true, false, ""},
		{"rabbitmq with a bad CA", RabbitMQ{URL: NewSecret("amqps://x"), TLSCA: bad}.TLSConfig, false, false, "rabbitmq.tls_ca: "},
		{"rabbitmq in the clear, with a CA", RabbitMQ{URL: NewSecret("amqp://x"), TLSCA: good}.TLSConfig, true, true, ""},
	} {
		c, err := tt.of()
		if err == nil && c != nil && (c.InsecureSkipVerify || c.MinVersion < tls.VersionTLS12) {
			t.Errorf("%s: not verified", tt.name)
		}
		on, ca := c != nil, c != nil && c.RootCAs != nil
		if on != tt.on || ca != tt.ca || (err != nil) != (tt.fails != "") || err != nil && !strings.HasPrefix(err.Error(), tt.fails) {
			t.Errorf("%s: on %v, CA %v, %v", tt.name, on, ca, err)
		}
	}
}

func TestCertificateAndKeyComeTogether(t *testing.T) {
	for name, err := range map[string]error{
		"database": func() error { d := DefaultDatabase(); d.TLSCert = "x"; return d.Validate() }(),
		"redis":    func() error { r := DefaultRedis(); r.TLSKey = "x"; return r.Validate() }(),
		"rabbitmq": func() error { r := DefaultRabbitMQ(); r.TLSCert = "x"; return r.Validate() }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "set both or neither") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := DefaultRedis()
	if r.Username = "chat_api"; r.Validate() == nil {
		t.Error("a user without a password")
	}
}
