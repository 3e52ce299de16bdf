package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// TLSConfig verifies the server, against the PEM bundle where one is given; nil: no encryption.
func (d Database) TLSConfig() (*tls.Config, error) { return tlsConfig("database", d.TLS, d.TLSCA) }

// TLSConfig verifies the server, against the PEM bundle where one is given; nil: no encryption.
func (r Redis) TLSConfig() (*tls.Config, error) { return tlsConfig("redis", r.TLS, r.TLSCA) }

// TLSConfig verifies the broker, against the PEM bundle where one is given; nil: no encryption, as the URL says.
func (r RabbitMQ) TLSConfig() (*tls.Config, error) {
	return tlsConfig("rabbitmq", strings.HasPrefix(r.URL.Reveal(), "amqps:"), r.TLSCA)
}

func tlsConfig(section string, on bool, ca string) (*tls.Config, error) {
	if !on && ca == "" {
		return nil, nil //nolint:nilnil // no encryption
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("%s.tls_ca: %w", section, err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.tls_ca: %s holds no PEM certificate", section, ca)
	}
	return c, nil
}
