package testkit

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	p := &process{
		name: "p", bin: "/bin/sh", args: []string{"-c", `trap 'echo down; exit 0' TERM; echo "up $WHO"; while :; do sleep 0.01; done`},
		env: []string{"WHO=me", "PATH=/usr/bin:/bin"}, dir: t.TempDir(), log: filepath.Join(t.TempDir(), "log"),
	}
	logged := func(want string) {
		t.Helper()
		Eventually(t, 20*time.Second, func() (bool, string) { return p.tail(10) == want, p.tail(10) })
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	logged("up me")
	if p.ended(0) {
		t.Fatal("ended")
	}
	if err := p.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.end(t, 20*time.Second)
	logged("up me\ndown")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	logged("up me\ndown\nup me")
	if err := p.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !p.ended(20 * time.Second) {
		t.Fatal("lives")
	}
	if got := p.tail(1); got != "up me" {
		t.Errorf("the last line is %q", got)
	}
}
