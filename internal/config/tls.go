package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSConfig returns nil where on is false and no CA is given, else a configuration that verifies the server, against the
// PEM bundle at the path ca where one is given.
func TLSConfig(on bool, ca string) (*tls.Config, error) {
	if !on && ca == "" {
		return nil, nil //nolint:nilnil // no encryption
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("tls_ca: " + ca + " holds no PEM certificate")
	}
	return c, nil
}
