package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestDo(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	dial := func(addr string, c *tls.Config) error {
		conn, err := (&tls.Dialer{Config: c, NetDialer: &net.Dialer{Timeout: 5 * time.Second}}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	addr := server.Listener.Addr().String()
	later := func() time.Time { return time.Now().Add(200 * 365 * 24 * time.Hour) }
	for name, tt := range map[string]struct {
		err  error
		says string
	}{
		"none":               {nil, ""},
		"another":            {errors.New("connection refused"), ""},
		"right":              {dial(addr, &tls.Config{RootCAs: pool}), ""},
		"unknown authority":  {dial(addr, &tls.Config{}), "set redis.tls_ca to the PEM file"},
		"wrong name":         {dial(addr, &tls.Config{RootCAs: pool, ServerName: "db"}), "example.com, *.example.com, 127.0.0.1, ::1), or set redis.tls_name"},
		"expired":            {dial(addr, &tls.Config{RootCAs: pool, Time: later}), "renew the certificate (it is valid from 1970-01-01"},
		"no TLS":             {dial(plain.Listener.Addr().String(), &tls.Config{RootCAs: pool}), "or set redis.tls: false"},
		"no certificate":     {errors.New("read: remote error: tls: certificate required"), "set redis.tls_cert and redis.tls_key"},
		"a refused one":      {errors.New("remote error: tls: unknown certificate authority"), "set redis.tls_cert and redis.tls_key"},
		"another alert":      {errors.New("remote error: tls: internal error"), ""},
		"a name nobody gave": {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "db"}, "a common name doesn't count"},
	} {
		err := tt.err
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		if got := Redis.Do(err); (tt.says == "") != (got == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %v: says %q, want %q", name, tt.err, got, tt.says)
		}
	}
}
