//go:build e2e

package conformance

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/test/wscases"
)

// players is how many cases are played at once, each by a user of its own.
const players = 8

// player is a user with a room.
type player struct {
	token string
	room  uint64
}

func (w *world) newPlayer(t *testing.T) player {
	t.Helper()
	u := w.API(1).User(t)
	return player{u.Token, w.API(1).CreateRoom(t, u)}
}

// sockets plays all cases through every way in, and prints a table: group × way, passed of all.
func (w *world) sockets(t *testing.T) {
	var free [players]player
	for i := range free {
		free[i] = w.newPlayer(t)
		_ = play(w.targets[0].addr, free[i], wscases.Case{}) // what is said of a new room comes before the first answer in it
	}
	all := wscases.Suite()
	table := newTally()
	for _, to := range w.targets {
		queue := make(chan wscases.Case)
		var g sync.WaitGroup
		for _, p := range free {
			g.Go(func() {
				for c := range queue {
					got := play(to.addr, p, c)
					good := slices.Equal(got, c.Want) || c.Torn && to.api && len(got) == 1 && strings.HasPrefix(got[0], ended)
					table.count(c.Group, to.name, good)
					if !good {
						t.Errorf("%s: %s, %s: got %q, want %q", to.name, c.Group, c.ID, abridged(got), abridged(c.Want))
					}
				}
			})
		}
		for _, c := range all {
			queue <- c
		}
		close(queue)
		g.Wait()
	}
	t.Logf("%d cases, passed of all:\n%s", len(all), table)
	if len(all) < 500 {
		t.Errorf("only %d cases", len(all))
	}
}

// ended begins the note that a connection has ended without a close.
const ended = "ENDED "

func abridged(l []string) []string { return l[:min(len(l), 5)] }

// caseTime bounds one case.
const caseTime = 20 * time.Second

// play plays a case on a socket of its own and returns what the client got until the answer to a message that it sends at last, or until
// the socket was closed.
func play(addr string, p player, c wscases.Case) (got []string) {
	conn, r, err := open(addr, p.token)
	if err != nil {
		return []string{"ERROR " + err.Error()}
	}
	defer conn.Close()
	last := fmt.Appendf(nil, `{"type":"message","room_id":%d,"content":"still here","client_msg_id":"last"}`, p.room)
	for _, b := range append(slices.Clone(c.Sent), wscases.Frame(0x81, last)) {
		if _, err := conn.Write(b); err != nil {
			break // closed: what was said before is still to be read
		}
	}
	for {
		op, payload, err := wscases.Read(r)
		switch {
		case err != nil:
			return append(got, ended+err.Error())
		case op == wscases.OpPong:
			got = append(got, "PONG "+string(payload))
		case op == wscases.OpClose:
			code := uint16(0)
			if len(payload) > 1 {
				code = binary.BigEndian.Uint16(payload)
			}
			return append(got, fmt.Sprintf("CLOSE %d", code))
		case op == wscases.OpText:
			var f struct{ Type string }
			_ = json.Unmarshal(payload, &f)
			if f.Type == "ack" {
				return got
			}
			got = append(got, cmp.Or(f.Type, "?"))
		}
	}
}

// open opens a socket and reads its welcome.
func open(addr, token string) (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(caseTime))
	_, err = fmt.Fprintf(conn, "GET /api/v1/ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n", addr, token)
	r := bufio.NewReader(conn)
	if err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(r, nil); err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("the handshake was answered %s", resp.Status)
		}
	}
	if err == nil {
		var text []byte
		if _, text, err = wscases.Read(r); err == nil && !strings.Contains(string(text), `"welcome"`) {
			err = fmt.Errorf("the first frame is %.100s", text)
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, r, nil
}

// tally counts by row and column.
type tally struct {
	mu         sync.Mutex
	rows, cols []string
	good, all  map[[2]string]int
}

func newTally() *tally { return &tally{good: map[[2]string]int{}, all: map[[2]string]int{}} }

func (y *tally) count(row, col string, passed bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !slices.Contains(y.rows, row) {
		y.rows = append(y.rows, row)
	}
	if !slices.Contains(y.cols, col) {
		y.cols = append(y.cols, col)
	}
	y.all[[2]string{row, col}]++
	if passed {
		y.good[[2]string{row, col}]++
	}
}

// String writes the table.
func (y *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s", "")
	for _, c := range y.cols {
		fmt.Fprintf(&b, "%14s", c)
	}
	for _, r := range slices.Sorted(slices.Values(y.rows)) {
		fmt.Fprintf(&b, "\n%-20s", r)
		for _, c := range y.cols {
			fmt.Fprintf(&b, "%14s", fmt.Sprintf("%d of %d", y.good[[2]string{r, c}], y.all[[2]string{r, c}]))
		}
	}
	return b.String()
}
