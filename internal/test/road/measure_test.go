//go:build e2e

package road

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

const (
	messages = 100
	// pace is the time from one message to the next at least: enough for what is written after the acknowledgement (heads, recent
	// messages) to be written for each of them.
	pace = 20 * time.Millisecond
)

// snapshot is a source file that is added to the measured programs by an overlay: for every folder that is written to its socket it
// writes the counters of that moment there. It is added to telemetry, which all programs link and which isn't measured.
const snapshot = `package telemetry

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime/coverage"
	"strings"
)

func init() {
	l, err := net.Listen("unix", os.Getenv("ROAD_SOCKET"))
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dir, _ := bufio.NewReader(c).ReadString('\n')
			dir = strings.TrimSpace(dir)
			if err = coverage.WriteMetaDir(dir); err == nil {
				err = coverage.WriteCountersDir(dir)
			}
			fmt.Fprintln(c, err)
			c.Close()
		}
	}()
}
`

// measured are the programs that a message passes.
var measured = []string{"gateway", "worker"}

// build builds gateway and worker so that they count what they execute, and an ordinary api and chatctl.
func build(t *testing.T, root string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	added, overlay := filepath.Join(dir, "snapshot.go"), filepath.Join(dir, "overlay.json")
	j, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal", "telemetry", "road_snapshot.go"): added}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{added: []byte(snapshot), overlay: j} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var ours []string
	for _, p := range strings.Fields(run(t, root, "go", append([]string{"list", "-deps"}, commands(measured...)...)...)) {
		if strings.HasPrefix(p, module) && p != module+"internal/telemetry" {
			ours = append(ours, p)
		}
	}
	out := dir + string(filepath.Separator)
	flags := []string{"build", "-cover", "-covermode=atomic", "-coverpkg=" + strings.Join(ours, ","), "-overlay", overlay, "-o", out}
	run(t, root, "go", append(flags, commands(measured...)...)...)
	run(t, root, "go", append([]string{"build", "-o", out}, commands("api", "chatctl")...)...)
	return dir
}

func commands(names ...string) (paths []string) {
	for _, n := range names {
		paths = append(paths, "./cmd/"+n)
	}
	return paths
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// measure sends messages between two members on sockets, each after the one before was acknowledged and delivered, and returns what
// the programs executed for every one of them. The same time without messages shows what they execute anyway.
func measure(t *testing.T, root string, src source) ran {
	t.Helper()
	t.Setenv(testkit.BinVar, build(t, root))
	sockets, err := os.MkdirTemp("", "road") //nolint:usetesting // its path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	fleet := testkit.StartFleet(t, testkit.FleetOptions{
		Gateways: 1, Workers: 1, APIs: 1,
		Env: map[string]string{
			"CHAT_AUTH_ARGON2_MEMORY_KIB": "1024", "CHAT_AUTH_ARGON2_TIME": "1", "CHAT_GATEWAY_DRAIN": "200ms",
			"CHAT_LIMITS_MESSAGES_PER_SECOND": "1000", "CHAT_LIMITS_MESSAGE_BURST": "1000",
			"CHAT_LIMITS_USER_MESSAGES_PER_SECOND": "1000", "CHAT_LIMITS_USER_MESSAGE_BURST": "1000",
		},
		EnvOf: func(process string, env map[string]string) {
			env["ROAD_SOCKET"], env["GOCOVERDIR"] = filepath.Join(sockets, process), sockets
		},
	})
	send := talk(t, fleet)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	begun := time.Now()
	before := snapshots(t, sockets)
	for range messages {
		if !send() {
			t.Fatal("a message arrived as a head")
		}
		<-tick.C
	}
	took := time.Since(begun)
	after := snapshots(t, sockets)
	<-time.After(took)
	idle := snapshots(t, sockets)
	found := ran{}
	for _, program := range measured {
		found[program] = executed(src, profile(t, before[program]), profile(t, after[program]), profile(t, idle[program]), messages)
	}
	return found
}

// talk connects two members of a room and returns what sends one message and waits until it is acknowledged and delivered; live is
// false where a head was delivered in its place. It returns when messages go only to the gateways that have the room: until its
// owner knows them it publishes to all, which is another road.
func talk(t *testing.T, fleet *testkit.Fleet) (send func() (live bool)) {
	t.Helper()
	api := fleet.API(1)
	us := []testkit.User{api.User(t), api.User(t)}
	from, to := testkit.Dial(t, fleet.WS(1), us[0].Token), testkit.Dial(t, fleet.WS(1), us[1].Token)
	from.Welcome(t)
	to.Welcome(t)
	room := api.CreateRoom(t, us[0], us[1])
	from.Expect(t, testkit.Is("joined"))
	to.Expect(t, testkit.Is("joined"))
	n := 0
	send = func() bool {
		n++
		id := fmt.Sprintf("road-%d", n)
		from.Send(t, map[string]any{"type": "message", "room_id": room, "content": "one message, thirteen stops", "client_msg_id": id})
		seq := from.Expect(t, testkit.Is("ack", "client_msg_id", id)).Num("seq")
		return to.Expect(t, testkit.Any(testkit.Is("message", "seq", seq), testkit.Is("head", "seq", seq))).Type() == "message"
	}
	testkit.Eventually(t, 30*time.Second, func() (bool, string) {
		before := fannedOut(t, fleet)
		live := send()
		return live && fannedOut(t, fleet) == before, "messages go to all gateways"
	})
	return send
}

// fannedOut is how many messages the worker has published to all gateways.
func fannedOut(t *testing.T, fleet *testkit.Fleet) string {
	t.Helper()
	const metric = "chat_worker_fanned_out_total"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fleet.Debug("worker-1")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n"+metric+" ")
	if !ok {
		t.Fatalf("the worker has no metric %s", metric)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// snapshots writes the counters of the measured programs at this moment, each into a folder of its own.
func snapshots(t *testing.T, sockets string) (dirs map[string]string) {
	t.Helper()
	dirs = map[string]string{}
	for _, program := range measured {
		dirs[program] = t.TempDir()
		conn, err := net.Dial("unix", filepath.Join(sockets, program+"-1"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintln(conn, dirs[program]); err != nil {
			t.Fatal(err)
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || answer != "<nil>\n" {
			t.Fatalf("%s can't write its counters: %s %v", program, answer, err)
		}
	}
	return dirs
}

// profile reads the counters of a snapshot.
func profile(t *testing.T, dir string) counts {
	t.Helper()
	text := filepath.Join(dir, "profile.txt")
	run(t, dir, "go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+text)
	r, err := os.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cs, err := readProfile(r)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}
