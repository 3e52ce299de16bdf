package chat

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks whose hosts may name the client's address in the header X-Forwarded-For.
type Proxies []netip.Prefix

// ParseProxies reads networks; a plain address is a network of one.
func ParseProxies(list []string) (ps Proxies, err error) {
	var errs []error
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if a, e := netip.ParseAddr(text); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("trusted_proxies: %q is neither an address nor a network such as 10.0.0.0/8", text))
			continue
		}
		ps = append(ps, p.Masked())
	}
	return ps, errors.Join(errs...)
}

// Client is the client's address: the peer's, or, if the peer is a trusted proxy, the last one of the headers that isn't a trusted
// proxy's too. Anything left of that one may be forged by the client.
func (ps Proxies) Client(peer netip.Addr, forwarded func() []string) netip.Addr {
	peer = peer.Unmap()
	if !ps.trust(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(forwarded(), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return peer
		}
		if peer = addr.Unmap().WithZone(""); !ps.trust(peer) {
			return peer
		}
	}
	return peer
}

func (ps Proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Contains(a) })
}

// AddressKey is what limits per address count by. An IPv6 customer holds a whole /64, so that counts as one address.
func AddressKey(a netip.Addr) netip.Addr {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
