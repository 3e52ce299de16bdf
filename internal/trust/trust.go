// Package trust says what an operator does about a TLS connection that was refused: the adapters of MySQL, Redis and RabbitMQ, and doctor,
// say the same about the same mistake.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Server is what the advice is about.
type Server struct {
	Section string // of the configuration: "database"
	Host    string // its key with the host: "database.host"
	Off     string // how to go without encryption: "database.tls: false"
}

// The servers.
var (
	MySQL    = Server{"database", "database.host", "database.tls: false, without tls_ca"}
	Redis    = Server{"redis", "redis.host", "redis.tls: false, without tls_ca"}
	RabbitMQ = Server{"rabbitmq", "the host in rabbitmq.url", "amqp:// in rabbitmq.url"}
)

// Do says what to do about an error of a TLS handshake, "" if it is none, or one that waiting may mend.
func (s Server) Do(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		plain   tls.RecordHeaderError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &name):
		return fmt.Sprintf("connect by a name that the server's certificate has (%s), or set %s.tls_name to one", names(name.Certificate), s.Section)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("renew the certificate (it is valid from %s to %s), or correct this machine's clock",
			invalid.Cert.NotBefore.UTC().Format("2006-01-02 15:04"), invalid.Cert.NotAfter.UTC().Format("2006-01-02 15:04"))
	case errors.As(err, &unknown), errors.As(err, &verify):
		return "set " + s.Section + ".tls_ca to the PEM file of the authority that signed the server's certificate"
	case errors.As(err, &plain):
		return "the server speaks no TLS at this address: turn it on there, correct the port, or set " + s.Off
	case refusedByServer(err):
		return fmt.Sprintf("the server wants a certificate of this process: set %s.tls_cert and %s.tls_key to one that it accepts", s.Section, s.Section)
	}
	return ""
}

func names(c *x509.Certificate) string {
	if c == nil {
		return "none"
	}
	list := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 {
		return "none: a common name doesn't count"
	}
	return strings.Join(list, ", ")
}

// refusedByServer recognises the alerts about our certificate. Their type is not exported.
func refusedByServer(err error) bool {
	_, alert, ok := strings.Cut(err.Error(), "remote error: tls: ")
	for _, why := range []string{"certificate required", "bad certificate", "unknown certificate", "expired certificate", "handshake failure"} {
		if ok && strings.HasPrefix(alert, why) {
			return true
		}
	}
	return false
}
