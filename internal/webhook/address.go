package webhook

import (
	"net/netip"
	"slices"

	"chat-service/internal/chat"
)

// Networks are the networks beside the public ones that the operator lets endpoints reach, if these ask for it.
type Networks []netip.Prefix

// special are the networks that no public host is in, by IANA's registries of special purposes. Of IPv6 only 2000::/3 is given out.
var special = []struct {
	net  netip.Prefix
	what string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's private"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local"}, // with it the metadata of clouds, 169.254.169.254
	{netip.MustParsePrefix("172.16.0.0/12"), "a private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a reserved"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a benchmark's"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved"}, // and the broadcast
	{netip.MustParsePrefix("::/128"), "an unspecified"},
	{netip.MustParsePrefix("::1/128"), "a loopback"},
	{netip.MustParsePrefix("fc00::/7"), "a private"}, // with it the metadata of a cloud, fd00:ec2::254
	{netip.MustParsePrefix("fe80::/10"), "a link-local"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast"},
	{netip.MustParsePrefix("2001::/23"), "a reserved"}, // with it Teredo, which embeds IPv4
	{netip.MustParsePrefix("2001:db8::/32"), "a documentation"},
	{netip.MustParsePrefix("2002::/16"), "a 6to4"}, // embeds IPv4, and nobody serves there any more
	{netip.MustParsePrefix("3fff::/20"), "a documentation"},
}

var (
	givenOut = netip.MustParsePrefix("2000::/3")
	nat64    = netip.MustParsePrefix("64:ff9b::/96")
)

// plain is the address that is reached in the end: IPv4 that is written within IPv6 is what it says.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// notPublic says what a plain address is if no public host can have it, "" if one can.
func notPublic(a netip.Addr) string {
	for _, s := range special {
		if s.net.Contains(a) {
			return s.what
		}
	}
	if a.Is6() && !givenOut.Contains(a) {
		return "a reserved"
	}
	return ""
}

// way is how an endpoint is reached: what it may reach follows from it.
type way int

const (
	public       way = iota // https to public addresses
	allowed                 // https to public addresses, and to networks that the operator allows
	allowedPlain            // http, to those networks alone: nobody else shall read what is posted
	ways
)

// wayOf is the way of an endpoint.
func wayOf(scheme string, private bool) way {
	switch {
	case !private:
		return public
	case scheme == "http":
		return allowedPlain
	}
	return allowed
}

// judge refuses an address that must not be dialled on this way.
func (ns Networks) judge(a netip.Addr, w way) error {
	a = plain(a)
	what := notPublic(a)
	listed := slices.ContainsFunc(ns, func(p netip.Prefix) bool { return p.Contains(a) })
	switch {
	case w != public && listed:
		return nil
	case w == allowedPlain && what == "":
		return chat.E(chat.Invalid, "%s is a public address: only https:// may go there", a)
	case what == "":
		return nil
	case w == public:
		return chat.E(chat.Invalid, "%s is %s address, which this endpoint may not reach", a, what)
	}
	return chat.E(chat.Invalid, "%s is %s address, which is not in the operator's webhooks.allow_private", a, what)
}
