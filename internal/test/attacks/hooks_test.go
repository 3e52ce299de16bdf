//go:build e2e

package attacks

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"chat-service/internal/test/testkit"
)

// webhooksInside: who has a key can't have the workers call what is inside the operator's network. Addresses of this machine and of private
// networks are refused, however they are written; one that came into the database all the same, or is behind a name, is never dialled.
func webhooksInside(a *attack) {
	key := a.key(a, "webhooks")
	var dialled atomic.Int32
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		a.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			dialled.Add(1)
			_ = conn.Close()
		}
	}()
	defer func() {
		_ = l.Close()
		<-ended
	}()
	port := l.Addr().(*net.TCPAddr).Port
	for _, host := range []string{
		"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "localhost", "LocalHost.", "a.localhost", "0.0.0.0", "0", "[::]", "[::1]",
		"[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "169.254.169.254", "[fd00:ec2::254]",
		"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "１２７.0.0.1", "127。0。0。1", "user:pw@127.0.0.1", "example.com@127.0.0.1",
	} {
		a.refused(a.api, 422, "invalid", "POST", "/server/webhooks", key, obj{"url": fmt.Sprintf("https://%s:%d/", host, port)})
		a.refused(a.api, 422, "invalid", "POST", "/server/webhooks", key, obj{"url": fmt.Sprintf("http://%s:%d/", host, port), "allow_private": true})
	}
	name, err := os.Hostname()
	if err != nil {
		a.Fatal(err)
	}
	inside := []string{
		fmt.Sprintf("https://127.0.0.1:%d/", port), fmt.Sprintf("http://127.0.0.1:%d/", port), fmt.Sprintf("https://[::ffff:127.0.0.1]:%d/", port),
		fmt.Sprintf("https://localhost:%d/", port), fmt.Sprintf("https://%s:%d/", name, port),
	}
	var paths []string
	for i, url := range inside {
		id := a.api.Must(a, 201, "POST", "/server/webhooks", key, obj{"url": "https://hooks.invalid/"}).Num("id")
		a.exec("UPDATE webhooks SET url = ?, allow_private = ? WHERE id = ?", url, i%2, id)
		paths = append(paths, fmt.Sprintf("/server/webhooks/%d", id))
	}
	us := a.users(1)
	room := a.api.CreateRoom(a, us[0])
	a.post(us[0], room, "to nobody inside")
	for i, path := range paths {
		testkit.Eventually(a, 3*patience, func() (bool, string) {
			as := a.api.Must(a, 200, "GET", path+"/attempts?limit=1", key, nil).List("attempts")
			if len(as) == 0 {
				return false, "nothing is tried at " + inside[i]
			}
			why := as[0].Str("refusal")
			return as[0].Num("status") == 0 && (strings.HasPrefix(why, "not posted: ") || strings.Contains(why, name)), fmt.Sprintf("%s: %q", inside[i], why)
		})
		a.api.Must(a, 204, "DELETE", path, key, nil)
	}
	if n := dialled.Load(); n != 0 {
		a.Errorf("%d connections were made", n)
	}
}
