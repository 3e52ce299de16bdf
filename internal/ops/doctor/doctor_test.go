package doctor

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/state"
	"chat-service/internal/store/operator"
	"chat-service/internal/telemetry"
	"chat-service/internal/test/testkit"
)

// patient is an examination that keeps its findings.
func patient() *examination {
	return &examination{Installation: &installation.Installation{Sections: installation.Defaults()}, r: &Report{area: "x"}}
}

// worst is the most severe level found, and all texts.
func worst(r *Report) (Level, string) {
	l, texts := OK, []string{}
	for _, f := range r.Findings {
		if f.Level == Fail || f.Level == Warn && l == OK {
			l = f.Level
		}
		texts = append(texts, f.Text+" → "+f.Do)
	}
	return l, strings.Join(texts, "\n")
}

func TestDoctorJudges(t *testing.T) {
	good := func() map[string]string {
		return map[string]string{"innodb_flush_log_at_trx_commit": "1", "log_bin": "OFF", "read_only": "OFF", "max_allowed_packet": "67108864"}
	}
	with := func(name, value string) func(*examination) {
		return func(x *examination) {
			vars := good()
			vars[name] = value
			x.judgeSettings(vars)
		}
	}
	pools := func(limit string, open ...int) func(*examination) {
		return func(x *examination) {
			for _, n := range open {
				x.pools = append(x.pools, pool{"worker", n})
			}
			x.judgePools(limit)
		}
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hooks := func(change ...func(*chat.Webhook)) func(*examination) {
		return func(x *examination) {
			var ws []chat.Webhook
			for i, c := range change {
				w := chat.Webhook{ID: chat.WebhookID(i + 1), URL: "https://app.example.com/"}
				c(&w)
				ws = append(ws, w)
			}
			x.judgeWebhooks(ws, []chat.WebhookBurden{{Webhook: 1, Rooms: 7}}, now)
		}
	}
	for _, tt := range []struct {
		name string
		look func(*examination)
		want Level
		says string
	}{
		{"no webhooks", hooks(), OK, ""},
		{"webhooks that are well", hooks(func(*chat.Webhook) {}, func(w *chat.Webhook) { w.FailingSince = now.Add(-14 * time.Minute) }), OK, "2 endpoints"},
		{"webhook that fails", hooks(func(w *chat.Webhook) { w.FailingSince = now.Add(-time.Hour) }), Warn, "since 2026-03-01 11:00 UTC; 7 rooms wait → see why: chatctl webhook attempts 1 --failed"},
		{"webhook that was disabled", hooks(func(*chat.Webhook) {}, func(w *chat.Webhook) { w.DisabledAt, w.DisabledWhy = now, "it answered 410 Gone" }), Warn, "it answered 410 Gone; what happens waits → when it can take events again: chatctl webhook enable 2"},
		{"MariaDB 10.11", func(x *examination) { x.judgeVersion("10.11.6-MariaDB-0+deb12u1") }, OK, "10.11.6"},
		{"MariaDB 10.5", func(x *examination) { x.judgeVersion("10.5.1-MariaDB") }, Warn, "upgrade"},
		{"MySQL 9", func(x *examination) { x.judgeVersion("9.7.0") }, OK, "9.7.0"},
		{"MySQL 8.0", func(x *examination) { x.judgeVersion("8.0.36") }, Warn, "upgrade"},
		{"no version", func(x *examination) { x.judgeVersion("x") }, Warn, "upgrade"},
		{"settings", func(x *examination) { x.judgeSettings(good()) }, OK, "is 1"},
		{"lax flush", with("innodb_flush_log_at_trx_commit", "2"), Fail, "SET GLOBAL innodb_flush_log_at_trx_commit=1"},
		{"replica", with("read_only", "ON"), Fail, "primary"},
		{"small packets", with("max_allowed_packet", "8388608"), Warn, "16M"},
		{"too small packets", with("max_allowed_packet", "4096"), Fail, "SET GLOBAL max_allowed_packet"},
		{"clock", func(x *examination) { x.judgeSkew(-time.Millisecond) }, OK, "clock"},
		{"clock ahead", func(x *examination) { x.judgeSkew(2 * time.Second) }, Warn, "chrony"},
		{"clock far behind", func(x *examination) { x.judgeSkew(-time.Minute) }, Fail, "chrony"},
		{"a cluster of Redis", func(x *examination) { x.judgeRedis(redisCluster(), "r") }, OK, "3 masters serve all slots, with 3 replicas"},
		{"a slot that nobody serves", func(x *examination) {
			l := redisCluster()
			l.Bare, l.Shards[1].Master, l.Shards[1].Down = 5000, "", []string{"b:1"}
			x.judgeRedis(l, "r")
		}, Fail, "5000 of 16384 slots"},
		{"a master without a replica", func(x *examination) {
			l := redisCluster()
			l.Shards[1].Replicas = 0
			x.judgeRedis(l, "r")
		}, Warn, "master b:1"},
		{"two masters", func(x *examination) {
			x.judgeRedis(state.Layout{Cluster: true, Shards: redisCluster().Shards[:2]}, "r")
		}, Warn, "2 masters can't replace"},
		{"a replica of Redis", func(x *examination) { x.judgeRedis(state.Layout{Role: "slave"}, "r") }, Fail, "set redis.host to the master"},
		{"sentinels", func(x *examination) { x.judgeSentinels(sentinels("m:1", "m:1", "m:1")) }, OK, "3 of 3 sentinels"},
		{"sentinels that disagree", func(x *examination) { x.judgeSentinels(sentinels("m:1", "n:1", "m:1")) }, Fail, "two masters: s:0 names m:1; s:1 names n:1"},
		{"a sentinel that is down", func(x *examination) { x.judgeSentinels(sentinels("m:1", "", "m:1")) }, Warn, "sentinel s:1: refused"},
		{"one sentinel", func(x *examination) { x.judgeSentinels(sentinels("m:1")) }, Warn, "three sentinels"},
		{"Galera", func(x *examination) { x.judgeGalera(map[string]string{"wsrep_on": "ON"}) }, Fail, "one primary with (semi-synchronous) replicas"},
		{"a lagging replica", func(x *examination) {
			x.judgeReplica(following(func(c *copied) { c.of.Behind = 9 * time.Second }), original{"1", 5})
		}, Warn, "9s behind"},
		{"a replica of another installation", func(x *examination) {
			x.judgeReplica(following(func(c *copied) { c.of.SourceID = "7" }), original{"1", 5})
		}, Warn, "another installation"},
		{"a replica that lost its source", func(x *examination) {
			x.judgeReplica(following(func(c *copied) { c.of.Receiving, c.of.Error = false, "error connecting" }), original{"1", 5})
		}, Fail, "(receiving: false, applying: true): error connecting"},
		{"a good replica", func(x *examination) { x.judgeReplica(following(func(*copied) {}), original{"1", 5}) }, OK, "follows the primary"},
		{"pools fit", pools("100", 32, 32), OK, "64"},
		{"pools don't fit", pools("70", 32, 32), Fail, "raise max_connections to 74"},
		{"a pool without bound", pools("100", 0), Warn, "max_open"},
		{"another queue type", func(x *examination) {
			x.judgeRefusal(&chat.PermanentError{Where: "rabbitmq", Do: "set rabbitmq.queue_type", Err: textError("x")})
		}, Fail, "queue_type"},
		{"odd refusal", func(x *examination) { x.judgeRefusal(textError("?")) }, Fail, "log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := patient()
			tt.look(x)
			if got, text := worst(x.r); got != tt.want || !strings.Contains(text, tt.says) {
				t.Errorf("%s: %s\nwant %s and %q", got, text, tt.want, tt.says)
			}
		})
	}
}

func redisCluster() state.Layout {
	return state.Layout{Cluster: true, Shards: []state.Shard{
		{Slots: 5461, Master: "a:1", Replicas: 1}, {Slots: 5462, Master: "b:1", Replicas: 1}, {Slots: 5461, Master: "c:1", Replicas: 1},
	}}
}

// sentinels name these masters; "" is one that doesn't answer.
func sentinels(masters ...string) (all []state.Sentinel) {
	for i, m := range masters {
		s := state.Sentinel{Addr: fmt.Sprintf("s:%d", i), Master: m}
		if m == "" {
			s.Err = textError("refused")
		}
		all = append(all, s)
	}
	return all
}

// following is a replica in order, with one change.
func following(change func(*copied)) copied {
	c := copied{
		addr: "r:3306", schema: 5, vars: map[string]string{"read_only": "ON", "server_id": "2"},
		of: operator.Replication{Source: "p:3306", SourceID: "1", Receiving: true, Applying: true},
	}
	change(&c)
	return c
}

type textError string

func (e textError) Error() string { return string(e) }

func TestDoctorCountsTheRunsProcesses(t *testing.T) {
	x := patient()
	x.Found.Ready = map[string]string{"worker1": "", "worker2": "", "gw1": "", "api": ""}
	if w, a := x.instances("worker"), x.instances("api"); w != 2 || a != 1 {
		t.Errorf("%d workers, %d apis", w, a)
	}
}

func TestDoctorComparesTheFiles(t *testing.T) {
	const secret = "jwt:\n  secret: 0123456789abcdefghijklmnopqrstuvwxyz\n"
	for _, tt := range []struct {
		name                 string
		worker, gateway, api string
		want                 Level
		says                 string
	}{
		{"agree", "", secret, secret, OK, "agree"},
		{"partitions of a gateway", "", "rabbitmq:\n  partitions: 8\n", "", Fail, "rabbitmq.partitions"},
		{"partitions of the api", "", "", "rabbitmq:\n  partitions: 8\n", Fail, "rabbitmq.partitions"},
		{"prefix", "rabbitmq:\n  exchange: other.exchange\n", "", "", Fail, "rabbitmq.exchange"},
		{"secrets", "", secret, "", Fail, "jwt.secret"},
		{"issuer", "", "jwt:\n  issuer: me\n", "", Fail, "jwt.issuer"},
		{"bad value", "", "", "rabbitmq:\n  partitions: none\n", Fail, "rabbitmq.partitions"},
		{
			"rotation",
			"", "jwt:\n  secret: new-new-new\n  key_id: b\n  keys: [a=old-old-old]\n", "jwt:\n  secret: old-old-old\n  key_id: a\n  keys: [b=new-new-new]\n", OK, "agree",
		},
		{
			"half a rotation",
			"", "jwt:\n  secret: new-new-new\n  key_id: b\n  keys: [a=old-old-old]\n", "jwt:\n  secret: old-old-old\n  key_id: a\n", Fail, "jwt.keys",
		},
		{
			"brokers of two virtual hosts",
			"rabbitmq:\n  urls: [\"amqp://u:long-and-odd-7@a/v\", \"amqp://u:long-and-odd-7@b/w\"]\n", "", "", Fail, "entry 2 (b) has another virtual host than entry 1 (a)",
		},
		{
			"brokers with two users",
			"rabbitmq:\n  urls: [\"amqp://u:long-and-odd-7@a/v\", \"amqp://x:long-and-odd-7@b/v\"]\n", "", "", Fail, "entry 2 (b) has another user",
		},
		{"weak secret in release", "", "server:\n  mode: release\n" + "rabbitmq:\n  url: amqp://u:long-and-odd-7@h/\n", "", Fail, "jwt.secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"worker": tt.worker, "gateway": tt.gateway, "api": tt.api} {
				testkit.WriteFile(t, filepath.Join(dir, name+".yaml"), text)
			}
			x := patient()
			x.File, x.o.Bin = filepath.Join(dir, "worker.yaml"), dir
			x.files(t.Context(), nil)
			got, text := worst(x.r)
			if got != tt.want || !strings.Contains(text, tt.says) {
				t.Errorf("%s:\n%s\nwant %s and %q", got, text, tt.want, tt.says)
			}
			for _, s := range []string{"new-new", "old-old", "0123456789abc", "long-and-odd"} {
				if strings.Contains(text, s) {
					t.Errorf("a secret shows:\n%s", text)
				}
			}
		})
	}
}

func TestDoctorLetsBinariesJudgeTheirFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"worker", "gateway", "api"} {
		testkit.WriteFile(t, filepath.Join(dir, name+".yaml"), "")
	}
	program(t, filepath.Join(dir, "worker"), `test "$*" = "-config `+dir+`/worker.yaml -check"`)
	program(t, filepath.Join(dir, "gateway"), "echo gateway.drain: is odd >&2; exit 2")
	x := patient()
	x.File, x.o.Bin = filepath.Join(dir, "worker.yaml"), dir
	x.files(t.Context(), nil)
	_, text := worst(x.r)
	for _, want := range []string{"worker.yaml is valid →", "gateway.drain: is odd", "api.yaml is valid in its shared sections"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := x.r.Count(Fail); n != 1 {
		t.Errorf("%d failures:\n%s", n, text)
	}
}

// program is a shell script in place of a binary.
func program(t *testing.T, path, body string) {
	t.Helper()
	testkit.WriteFile(t, path, "#!/bin/sh\n"+body+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorReadsReadiness(t *testing.T) {
	var ready telemetry.Readiness
	sick := textError("no answer")
	ready.Register("mysql", func(context.Context) error { return nil })
	ready.Register("rabbitmq", func(context.Context) error { return sick })
	srv := httptest.NewServer(&ready)
	defer srv.Close()
	odd := httptest.NewServer(http.NotFoundHandler())
	defer odd.Close()
	x := patient()
	x.o.Ready = []string{srv.URL, odd.URL}
	x.processes(t.Context())
	got, text := worst(x.r)
	if got != Fail || !strings.Contains(text, "not ready: rabbitmq: no answer") || !strings.Contains(text, "404") || strings.Contains(text, "mysql") {
		t.Errorf("%s:\n%s", got, text)
	}
	if !strings.Contains(text, "becomes ready by itself") {
		t.Errorf("nothing of waiting in\n%s", text)
	}
	ready.Register("rabbitmq", func(context.Context) error {
		return &chat.PermanentError{Where: "rabbitmq, user guest", Do: "correct the password", Err: sick}
	})
	x = patient()
	x.o.Ready = []string{srv.URL}
	x.processes(t.Context())
	if _, text := worst(x.r); !strings.Contains(text, "correct the password") || !strings.Contains(text, "start it again") || strings.Contains(text, "by itself when") {
		t.Errorf("a lasting failure:\n%s", text)
	}
	var issuers telemetry.Readiness
	issuers.Observe(telemetry.IssuerKeys+"https://good.example", func(context.Context) error { return nil })
	issuers.Observe(telemetry.IssuerKeys+"https://bad.example", func(context.Context) error { return sick })
	api := httptest.NewServer(&issuers)
	defer api.Close()
	x = patient()
	x.o.Ready = []string{api.URL}
	x.processes(t.Context())
	if got, text := worst(x.r); got != Warn || !strings.Contains(text, "good.example could be fetched") || !strings.Contains(text, "bad.example: no answer → check auth.issuers") {
		t.Errorf("keys of issuers: %s:\n%s", got, text)
	}
	x = patient()
	x.debug = map[string]string{"worker": "127.0.0.1:1", "api": "0.0.0.0:0"}
	x.processes(t.Context())
	if got, text := worst(x.r); got != Warn || len(x.r.Findings) != 1 {
		t.Errorf("a process that may run elsewhere: %s:\n%s", got, text)
	}
}

func TestReportIsForPeople(t *testing.T) {
	var b bytes.Buffer
	r := &Report{area: "mysql", live: &b}
	r.ok("up")
	r.warn("do this", "so so")
	r.area = "redis"
	r.fail("do that", "two\nlines")
	want := "ok    mysql     up\n" +
		"warn  mysql     so so\n                → do this\n" +
		"FAIL  redis     two\n                lines\n                → do that\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestGreetingVersion(t *testing.T) {
	frame := func(n uint32, text string) []byte {
		b := append([]byte("\x00\x0a\x00\x0a\x00\x09....\x07productS\x00\x00\x00\x01x"), "\x07versionS"...)
		return append(binary.BigEndian.AppendUint32(b, n), text...)
	}
	if v, err := greetingText(frame(6, "3.10.8\x08platform"), "version"); err != nil || v != "3.10.8" {
		t.Errorf("version %q, %v", v, err)
	}
	for _, bad := range [][]byte{nil, frame(1<<31, "3"), frame(2, "3"), []byte("\x07versionS\x00")} {
		if v, err := greetingText(bad, "version"); err == nil {
			t.Errorf("version %q of a damaged greeting %q", v, bad)
		}
	}
}
