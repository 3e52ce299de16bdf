//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
	"chat-service/internal/webhook"
)

// oldestNode is the oldest major release of Node.js that the example runs on.
const oldestNode = "20"

// example is a receiver of docs/examples/webhooks that runs.
type example struct {
	url string

	mu    sync.Mutex
	lines []exampleLine
	told  chan struct{} // one token when there is a new line
}

// exampleLine is what a receiver prints of an event.
type exampleLine struct {
	ID     string        `json:"id"`
	Repeat bool          `json:"repeat"`
	Event  testkit.Frame `json:"event"`
}

// events are all that were printed so far.
func (x *example) events() []exampleLine {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]exampleLine{}, x.lines...)
}

// await waits until as many events were printed, and returns them.
func (x *example) await(t *testing.T, n int) []exampleLine {
	t.Helper()
	late := time.After(patience)
	for {
		if all := x.events(); len(all) >= n {
			return all
		}
		select {
		case <-x.told:
		case <-late:
			t.Fatalf("%d events arrived, want %d", len(x.events()), n)
		}
	}
}

// startExample starts a receiver until the test ends, or stop is called.
func startExample(t *testing.T, listen string, secrets [][]byte, command ...string) (x *example, stop func()) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	texts := make([]string, len(secrets))
	for i, secret := range secrets {
		texts[i] = chat.WebhookSecretText(secret)
	}
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRETS="+strings.Join(texts, " "), "LISTEN="+listen)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x = &example{told: make(chan struct{}, 1)}
	begun, read := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 2<<20)
		for lines.Scan() {
			if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				begun <- at
				continue
			}
			var l exampleLine
			dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
			dec.UseNumber()
			if err := dec.Decode(&l); err != nil {
				t.Errorf("%s prints %s", command[0], lines.Text())
			}
			x.mu.Lock()
			x.lines = append(x.lines, l)
			x.mu.Unlock()
			select {
			case x.told <- struct{}{}:
			default:
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		<-read
		if err := cmd.Wait(); err != nil || !kill.Stop() {
			t.Errorf("%s ends with %v", command[0], err)
		}
	})
	t.Cleanup(stop)
	select {
	case x.url = <-begun:
	case <-time.After(patience):
		t.Fatalf("%s doesn't listen", command[0])
	}
	return x, stop
}

// goReceiver builds the example in Go and returns its command.
func goReceiver(t *testing.T, listen string) []string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "receiver")
	build := exec.Command("go", "build", "-o", bin, "./docs/examples/webhooks")
	build.Dir = testkit.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return []string{bin, "-listen", listen}
}

// nodeReceiver returns the command of the example in JavaScript.
func nodeReceiver(t *testing.T) []string {
	t.Helper()
	script := "process.exit(process.versions.node.split('.')[0] >= Number(process.argv[1]) ? 0 : 1)"
	if err := exec.Command("node", "-e", script, oldestNode).Run(); err != nil {
		t.Fatalf("this test needs Node.js %s or later on the PATH: install it (nodejs.org, or a package of your system): %v", oldestNode, err)
	}
	return []string{"node", filepath.Join(testkit.Root(t), "docs", "examples", "webhooks", "receiver.mjs")}
}

// TestReceivers posts to the examples with the workers' client: what is signed is taken, by both secrets while one is replaced; what is
// forged, altered or old is refused; repeats are told.
func TestReceivers(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func() []string{
		"go": func() []string { return goReceiver(t, "127.0.0.1:0") }, "node": func() []string { return nodeReceiver(t) },
	} {
		t.Run(name, func(t *testing.T) { receives(t, command()) })
	}
}

func receives(t *testing.T, command []string) {
	client := webhook.New(webhook.Options{Private: webhook.Networks{netip.MustParsePrefix("127.0.0.1/32")}})
	defer client.Close()
	before, next, other := webhook.Endpoints{}.NewSecret(), webhook.Endpoints{}.NewSecret(), webhook.Endpoints{}.NewSecret()
	rotating, _ := startExample(t, "127.0.0.1:0", [][]byte{next, before}, command...)
	late, _ := startExample(t, "127.0.0.1:0", [][]byte{before}, command...)
	const body = `{"type":"message.sent","timestamp":"2026-01-01T00:00:00Z","data":{"room_id":9007199254740991,"seq":7,"change_seq":0,"message":{"content":"Grüße 🙂"}}}`
	post := func(x *example, at time.Time, body string, secrets ...[]byte) int {
		t.Helper()
		a, err := client.Post(t.Context(), webhook.Delivery{URL: x.url, Secrets: secrets, ID: "msg_1", At: at, Body: []byte(body), AllowPrivate: true})
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	now := time.Now()
	for name, tt := range map[string]struct {
		at      *example
		age     time.Duration
		body    string
		secrets [][]byte
		want    int
	}{
		"the new secret":                       {rotating, 0, body, [][]byte{next}, 204},
		"the old secret":                       {rotating, 0, body, [][]byte{before}, 204},
		"both, to one that has both":           {rotating, 0, body, [][]byte{next, before}, 204},
		"both, to one that has one":            {late, 0, body, [][]byte{next, before}, 204},
		"after a signature of another":         {rotating, 4 * time.Minute, body, [][]byte{other, before}, 204},
		"the new one, to one that has the old": {late, 0, body, [][]byte{next}, 401},
		"another secret":                       {rotating, 0, body, [][]byte{other}, 401},
		"six minutes old":                      {rotating, 6 * time.Minute, body, [][]byte{next}, 401},
		"of the future":                        {rotating, -6 * time.Minute, body, [][]byte{next}, 401},
		"no event":                             {rotating, 0, "{", [][]byte{next}, 400},
		"too large":                            {rotating, 0, `"` + strings.Repeat("x", 1<<20) + `"`, [][]byte{next}, 413},
	} {
		if got := post(tt.at, now.Add(-tt.age), tt.body, tt.secrets...); got != tt.want {
			t.Errorf("%s: answered %d, want %d", name, got, tt.want)
		}
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	right := webhook.Sign(next, "msg_1", now, []byte(body))
	for name, tt := range map[string]struct {
		method, id, stamp, signature, body string
		want                               int
	}{
		"as it was signed":        {"POST", "msg_1", stamp, "v2,AAAA " + right, body, 204},
		"altered":                 {"POST", "msg_1", stamp, right, strings.Replace(body, "7", "8", 1), 401},
		"with another id":         {"POST", "msg_2", stamp, right, body, 401},
		"with another time":       {"POST", "msg_1", strconv.FormatInt(now.Unix()+1, 10), right, body, 401},
		"with a fractional time":  {"POST", "msg_1", stamp + ".0", right, body, 401},
		"without an id":           {"POST", "", stamp, right, body, 401},
		"without a time":          {"POST", "msg_1", "", right, body, 401},
		"without a signature":     {"POST", "msg_1", stamp, "", body, 401},
		"with half a signature":   {"POST", "msg_1", stamp, right[:20], body, 401},
		"with an empty signature": {"POST", "msg_1", stamp, "v1,", body, 401},
		"without its version":     {"POST", "msg_1", stamp, right[3:], body, 401},
		"of a later version":      {"POST", "msg_1", stamp, "v2" + right[2:], body, 401},
		"by GET":                  {"GET", "msg_1", stamp, right, "", 405},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, rotating.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"webhook-id": tt.id, "webhook-timestamp": tt.stamp, "webhook-signature": tt.signature} {
			if value != "" {
				req.Header.Set(key, value)
			}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != tt.want {
			t.Errorf("%s: answered %d, want %d", name, res.StatusCode, tt.want)
		}
	}
	post(rotating, now, strings.Replace(body, `"change_seq":0`, `"change_seq":3`, 1), next)
	all := rotating.await(t, 6)
	for i, l := range all {
		m := l.Event.Obj("data").Obj("message")
		if want := i > 0 && i < 5; l.Repeat != want || l.ID != "msg_1" || m.Str("content") != "Grüße 🙂" {
			t.Errorf("event %d: %+v, want repeat %t", i, l, want)
		}
	}
	if len(all) != 6 || len(late.await(t, 1)) != 1 {
		t.Errorf("%d and %d events were taken, want 6 and 1", len(all), len(late.events()))
	}
}
