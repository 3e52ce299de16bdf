package config

import "testing"

func TestWebhookNetworks(t *testing.T) {
	ns, err := Webhooks{AllowPrivate: []string{"10.1.2.3/8", "192.168.0.7", "fd00::/8"}}.Networks()
	if err != nil || len(ns) != 3 || ns[0].String() != "10.0.0.0/8" || ns[1].String() != "192.168.0.7/32" || ns[2].String() != "fd00::/8" {
		t.Errorf("%v, %v", ns, err)
	}
	for _, bad := range []string{"", "true", "10.0.0.0/33", "localhost", "::ffff:10.0.0.0/104", "fe80::1%eth0"} {
		w := Webhooks{AllowPrivate: []string{"10.0.0.0/8", bad}}
		if ns, err := w.Networks(); err == nil || len(ns) != 1 || w.Validate() == nil {
			t.Errorf("%q: %v, %v", bad, ns, err)
		}
	}
}
