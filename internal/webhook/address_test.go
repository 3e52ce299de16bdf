package webhook

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"chat-service/internal/chat"
)

func TestAddressesAreJudged(t *testing.T) {
	all := Networks{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for text, want := range map[string][ways]bool{ // by public, allowed, allowedPlain
		"8.8.8.8": {true, true, false}, "1.0.0.1": {true, true, false}, "172.15.255.255": {true, true, false}, "172.32.0.0": {true, true, false},
		"100.63.255.255": {true, true, false}, "100.128.0.0": {true, true, false}, "2606:4700:4700::1111": {true, true, false},
		"::ffff:8.8.8.8": {true, true, false}, "64:ff9b::8.8.8.8": {true, true, false}, "223.255.255.255": {true, true, false},
		"10.1.2.3": {false, true, true}, "::ffff:10.1.2.3": {false, true, true}, "64:ff9b::a01:203": {false, true, true},
		"fd00:1::7": {false, true, true}, "fd00:1::7%eth0": {false, true, true},
		"10.2.0.1": {}, "127.0.0.1": {}, "127.255.0.9": {}, "0.0.0.0": {}, "0.1.2.3": {}, "192.168.1.1": {}, "172.16.0.1": {}, "172.31.255.255": {},
		"169.254.169.254": {}, "100.64.0.1": {}, "100.127.255.255": {}, "224.0.0.1": {}, "239.255.255.250": {}, "255.255.255.255": {},
		"240.0.0.1": {}, "192.0.0.192": {}, "198.18.0.1": {}, "198.19.255.255": {}, "192.0.2.1": {}, "198.51.100.1": {}, "203.0.113.1": {}, "192.88.99.1": {},
		"::": {}, "::1": {}, "::ffff:127.0.0.1": {}, "::ffff:169.254.169.254": {}, "::127.0.0.1": {}, "fe80::1": {}, "fe80::1%lo": {}, "fec0::1": {},
		"fc00::1": {}, "fd00:ec2::254": {}, "ff02::1": {}, "64:ff9b::7f00:1": {}, "64:ff9b::a9fe:a9fe": {}, "64:ff9b:1::808:808": {},
		"2002:7f00:1::": {}, "2002:808:808::1": {}, "2001::1": {}, "2001:db8::1": {}, "3fff::1": {}, "100::1": {}, "5f00::1": {}, "4000::1": {},
	} {
		for w := public; w < ways; w++ {
			if err := all.judge(netip.MustParseAddr(text), w); (err == nil) != want[w] {
				t.Errorf("%s on way %d: %v, want passed %t", text, w, err, want[w])
			}
		}
	}
}

func TestURLsAreChecked(t *testing.T) {
	long := "https://app.example.com/" + strings.Repeat("x", chat.MaxWebhookURL)
	for url, says := range map[string]string{
		"https://app.example.com/hooks": "", "https://app.example.com": "", "https://APP.example.com.:8443/a?b=c": "", "https://8.8.8.8/": "",
		"https://[2606:4700:4700::1111]:443/": "", "https://xn--bcher-kva.example/": "", "https://a_b.example.com/": "", long[:chat.MaxWebhookURL]: "",
		"": "no address", "app.example.com": "no address", "https://": "no address", "https:app": "no address", "https:///x": "no address",
		"https://a b.example.com/": "no address", "https://app.example.com/\x00": "no address", "https://[::1": "no address", "https://app.example.com:x/": "no address",
		"http://app.example.com/": "must be https", "ftp://app.example.com/": "must be https", "file:///etc/passwd": "no address", "gopher://a.example:70/_": "must be https",
		"https://user@app.example.com/": "user or a password", "https://:pw@app.example.com/": "user or a password", "https://app.example.com@127.0.0.1/": "user or a password",
		"https://app.example.com/#x": "fragment", "https://app.example.com/#": "fragment", "https://app.example.com:/": "port", "https://app.example.com:0/": "port",
		"https://app.example.com:65536/": "port", long: "longer",
		"https://2130706433/": "usual form", "https://0x7f000001/": "usual form", "https://0x7f.1/": "usual form", "https://127.1/": "usual form", "https://0177.0.0.1/": "usual form",
		"https://127.0.0.1./": "usual form", "https://127.0.0.1.0x1/": "usual form", "https://127.0.0.1/": "a loopback", "https://[::1]/": "a loopback", "https://[::ffff:127.0.0.1]/": "a loopback",
		"https://[0:0:0:0:0:ffff:7f00:1]/": "a loopback", "https://[::ffff:0:127.0.0.1]/": "a reserved", "https://[64:ff9b::7f00:1]/": "a loopback", "https://[fe80::1%25lo]/": "interface",
		"https://localhost/": "a loopback", "https://LOCALHOST.:9/": "a loopback", "https://app.localhost/": "a loopback", "https://169.254.169.254/latest/": "a link-local",
		"https://bücher.example/": "punycode", "https://app..example.com/": "punycode", "https://.example.com/": "punycode", "https://" + strings.Repeat("a", 64) + ".example/": "punycode",
		"https://１２７.０.０.１/": "punycode", "https://127。0。0。1/": "punycode", "https://%6c%6f/": "no address",
	} {
		err := Endpoints{}.Check(url, false)
		var e *chat.Error
		if says == "" && err != nil || says != "" && (!errors.As(err, &e) || e.Kind != chat.Invalid || len(e.Fields) != 1 || e.Fields[0].Field != "url" || !strings.Contains(e.Msg, says)) {
			t.Errorf("%.60q: %v, want %q", url, err, says)
		}
	}
}

func TestPrivateURLsAreCheckedByWhatTheOperatorAllows(t *testing.T) {
	ns := Networks{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	for url, says := range map[string]string{
		"http://localhost:9000/": "", "http://10.1.2.3/": "", "https://10.1.2.3/": "", "http://hooks.internal/": "", "https://app.example.com/": "", "https://8.8.8.8/": "",
		"http://8.8.8.8/": "only https", "http://192.168.0.1/": "webhooks.allow_private", "https://[::1]/": "webhooks.allow_private", "http://2130706433/": "usual form",
	} {
		if err := (Endpoints{ns}).Check(url, true); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", url, err, says)
		}
	}
	var e *chat.Error
	if err := (Endpoints{}).Check("https://app.example.com/", true); !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Field != "allow_private" {
		t.Errorf("without the operator's leave: %v", err)
	}
}

// A name that is public when somebody checks it and private when it is dialled reaches nothing: the address itself is judged.
func TestNameThatChangesIsRefusedWhenDialled(t *testing.T) {
	names, asked := resolver(t, map[string][]string{"rebinds.example": {"8.8.8.8", "127.0.0.1"}, "inside.example": {"127.0.0.1"}, "meta.example": {"169.254.169.254"}})
	var reached atomic.Int32
	c, s := receiver(t, Options{Resolver: names}, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	port := s.URL[strings.LastIndex(s.URL, ":"):]

	checked, err := names.LookupHost(t.Context(), "rebinds.example")
	if err != nil || len(checked) != 1 || checked[0] != "8.8.8.8" {
		t.Fatalf("the check sees %v, %v", checked, err)
	}
	for host, says := range map[string]string{"rebinds.example": "127.0.0.1 is a loopback", "inside.example": "127.0.0.1 is a loopback", "meta.example": "169.254.169.254 is a link-local"} {
		d := to("https://" + host + port)
		d.AllowPrivate = false
		a, err := c.Post(t.Context(), d)
		if err == nil || !strings.Contains(err.Error(), says) || a.Status != 0 {
			t.Errorf("%s: answer %+v, error %v, want %q", host, a, err, says)
		}
	}
	for _, url := range []string{"https://meta.example" + port, "http://meta.example" + port} { // private, and not what the operator allows
		if a, err := c.Post(t.Context(), to(url)); err == nil || !strings.Contains(err.Error(), "webhooks.allow_private") || a.Status != 0 {
			t.Errorf("%s: answer %+v, error %v", url, a, err)
		}
	}
	if n := asked.count("rebinds.example"); n < 2 {
		t.Errorf("the name was resolved %d times: the post didn't dial by name", n)
	}
	if reached.Load() != 0 {
		t.Errorf("%d posts got through", reached.Load())
	}
	if _, err := c.Post(t.Context(), to("https://nobody.example/")); err == nil || !strings.Contains(err.Error(), "nobody.example can't be resolved") {
		t.Errorf("a name that isn't there: %v", err)
	}
}

// A connection that one endpoint may have is no way in for another one with the same host.
func TestConnectionsAreNotSharedWithEndpointsThatMayNotHaveThem(t *testing.T) {
	names, _ := resolver(t, map[string][]string{"example.com": {"127.0.0.1"}})
	var reached atomic.Int32
	c, s := receiver(t, Options{Resolver: names}, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	d := to("https://example.com" + s.URL[strings.LastIndex(s.URL, ":"):]) // httptest's certificate has this name
	for range 2 {
		if a, err := c.Post(t.Context(), d); err != nil || a.Status != 200 {
			t.Fatalf("answer %+v, error %v", a, err)
		}
	}
	d.AllowPrivate = false
	if a, err := c.Post(t.Context(), d); err == nil || a.Status != 0 || reached.Load() != 2 {
		t.Errorf("answer %+v, error %v, %d posts arrived", a, err, reached.Load())
	}
}
