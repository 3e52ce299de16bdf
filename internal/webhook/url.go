package webhook

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"chat-service/internal/chat"
)

// parse reads an endpoint's address.
func (ns Networks) parse(address string, private bool) (*url.URL, error) {
	if len(address) > chat.MaxWebhookURL {
		return nil, chat.E(chat.Invalid, "the address is longer than %d bytes", chat.MaxWebhookURL)
	}
	u, err := url.Parse(address) // its error says what was given, which may hold a password
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, chat.E(chat.Invalid, "this is no address like https://app.example.com/hooks")
	}
	switch {
	case u.Scheme == "http" && !private:
		return nil, chat.E(chat.Invalid, "the address must be https://; http:// is for private addresses that the operator allows")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, chat.E(chat.Invalid, "the address must be https://")
	case u.User != nil:
		return nil, chat.E(chat.Invalid, "the address must not hold a user or a password: posts are signed")
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return nil, chat.E(chat.Invalid, "the address must not have a fragment: no server sees it")
	}
	if p, err := strconv.ParseUint(u.Port(), 10, 16); strings.HasSuffix(u.Host, ":") || u.Port() != "" && (err != nil || p == 0) {
		return nil, chat.E(chat.Invalid, "the address's port must be 1 to 65535")
	}
	return u, ns.host(u.Hostname(), wayOf(u.Scheme, private))
}

// host judges a host's name, or its address.
func (ns Networks) host(name string, w way) error {
	if a, err := netip.ParseAddr(name); err == nil {
		if a.Zone() != "" {
			return chat.E(chat.Invalid, "the address must not name an interface of this machine")
		}
		return ns.judge(a, w)
	}
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || len(name) > 253 {
			return chat.E(chat.Invalid, "the address's host is no name of letters, digits and hyphens; write other letters in punycode (xn--…)")
		}
	}
	last := labels[len(labels)-1]
	switch {
	case strings.Trim(last, "0123456789") == "", strings.HasPrefix(last, "0x"): // some resolvers read 2130706433 and 0x7f.0x1 as addresses
		return chat.E(chat.Invalid, "the address's host is neither a name nor an address in its usual form, such as 203.0.113.7")
	case last == "localhost":
		return ns.judge(netip.AddrFrom4([4]byte{127, 0, 0, 1}), w)
	}
	return nil
}
