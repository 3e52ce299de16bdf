package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// security is how a connection to a server is encrypted and verified.
type security struct {
	section             string
	on                  bool
	ca, cert, key, name string
}

func (d Database) security() security {
	return security{"database", d.TLS, d.TLSCA, d.TLSCert, d.TLSKey, d.TLSName}
}

func (r Redis) security() security {
	return security{"redis", r.TLS, r.TLSCA, r.TLSCert, r.TLSKey, r.TLSName}
}

func (r RabbitMQ) security() security {
	return security{"rabbitmq", strings.HasPrefix(r.Addresses()[0], "amqps:"), r.TLSCA, r.TLSCert, r.TLSKey, r.TLSName}
}

// TLSConfig verifies the server, against the PEM bundle if one is given; nil: no encryption.
func (d Database) TLSConfig() (*tls.Config, error) { return d.security().config() }

// TLSConfig verifies the server, against the PEM bundle if one is given; nil: no encryption.
func (r Redis) TLSConfig() (*tls.Config, error) { return r.security().config() }

// TLSConfig verifies the broker, against the PEM bundle if one is given; nil: no encryption, as the URL says.
func (r RabbitMQ) TLSConfig() (*tls.Config, error) { return r.security().config() }

// wanted reports whether the connection is encrypted: nobody who names an authority wants to go without.
func (s security) wanted() bool { return s.on || s.ca != "" }

// valid checks that a certificate and its key come together.
func (s security) valid() error {
	if (s.cert == "") != (s.key == "") {
		return errors.New("tls_cert, tls_key: set both or neither")
	}
	return nil
}

// config reads the files. The name to verify is filled in by the drivers, from the address, unless it is given.
func (s security) config() (*tls.Config, error) {
	if !s.wanted() {
		return nil, nil //nolint:nilnil // no encryption
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.name}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("%s.tls_ca: %w", s.section, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.tls_ca: %s holds no PEM certificate", s.section, s.ca)
		}
	}
	if s.cert != "" {
		pair, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			return nil, fmt.Errorf("%s.tls_cert, %s.tls_key: %w", s.section, s.section, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
