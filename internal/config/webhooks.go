package config

import (
	"errors"
	"fmt"
	"net/netip"
)

// Webhooks is where the application's endpoints may be.
type Webhooks struct {
	// AllowPrivate are networks that are not public and that endpoints may be in, if they ask for it. Only the operator can know whether
	// what else is there trusts whoever reaches it.
	AllowPrivate []string `yaml:"allow_private"`
}

// DefaultWebhooks lets endpoints be at public addresses alone.
func DefaultWebhooks() Webhooks { return Webhooks{AllowPrivate: []string{}} }

// Networks reads AllowPrivate; a plain address is a network of one.
func (w Webhooks) Networks() (ns []netip.Prefix, err error) {
	var errs []error
	for _, text := range w.AllowPrivate {
		p, err := netip.ParsePrefix(text)
		if a, e := netip.ParseAddr(text); e == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			errs = append(errs, fmt.Errorf("allow_private: %q is neither an address nor a network such as 10.0.0.0/8", text))
			continue
		}
		ns = append(ns, p.Masked())
	}
	return ns, errors.Join(errs...)
}

// Validate checks the networks.
func (w Webhooks) Validate() error {
	_, err := w.Networks()
	return err
}
