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
		{"redis without its CA", Redis{TLSCA: "nowhere"}.TLSConfig, false, false, "redis.tls_ca: "},
		{"redis", Redis{TLS: true}.TLSConfig, true, false, ""},
		{"rabbitmq in the clear", url("amqp://x").TLSConfig, false, false, ""},
		{"rabbitmq", url("amqps://x").TLSConfig, true, false, ""},
		{"rabbitmq with a bad CA", RabbitMQ{TLSCA: bad}.TLSConfig, false, false, "rabbitmq.tls_ca: "},
	} {
		c, err := tt.of()
		on, ca := c != nil, c != nil && c.RootCAs != nil
		if on != tt.on || ca != tt.ca || (err != nil) != (tt.fails != "") || err != nil && !strings.HasPrefix(err.Error(), tt.fails) {
			t.Errorf("%s: on %v, CA %v, %v", tt.name, on, ca, err)
		}
	}
}
