package frontdoor

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestPassesOnWhatCameWithTheHandshake: a client needn't wait for the answer to its handshake before it sends.
func TestPassesOnWhatCameWithTheHandshake(t *testing.T) {
	api, _ := upstream(t, "api")
	g, _ := upstream(t, "gw1")
	addr := serve(t, New(api, g))
	for _, n := range []int{0, 1, 7, 3000, 4096, 64 << 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			frames := make([]byte, n)
			for i := range frames {
				frames[i] = byte(i % 251)
			}
			head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", SocketPath)
			if _, err := c.Write(append([]byte(head), frames...)); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(c)
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("answered %v, %v", res, err)
			}
			if _, err := io.WriteString(c, "and later"); err != nil {
				t.Fatal(err)
			}
			want := slices.Concat(frames, []byte("and later"))
			got := make([]byte, len(want))
			if n, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d of %d bytes came back, %v; the same: %v", n, len(want), err, bytes.Equal(got, want))
			}
		})
	}
}
