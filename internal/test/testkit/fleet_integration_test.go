//go:build integration

package testkit

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFleet(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range []string{"chatctl", "gateway", "worker", "api"} {
		if err := os.Symlink(exe, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(BinVar, bin)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	f := StartFleet(t, FleetOptions{
		Gateways: 2, Workers: 1, APIs: 1, Env: map[string]string{"CHAT_EXTRA": "x"},
		EnvOf: func(name string, env map[string]string) {
			if name == "gateway-2" {
				env["CHAT_OWN"] = "y"
			}
		},
	})
	if got := strings.Join(f.Names(), " "); got != "api-1 gateway-1 gateway-2 worker-1" {
		t.Error(got)
	}
	for name, want := range map[string]string{
		"gateway-1": "args [-config configs/gateway.yaml] id gateway-1 extra x own  tests ",
		"gateway-2": "args [-config configs/gateway.yaml] id gateway-2 extra x own y tests ",
		"worker-1":  "args [-config configs/worker.yaml] id  extra x own  tests ",
	} {
		if got := f.Log(name, 1); got != want {
			t.Errorf("%s logs %q, want %q", name, got, want)
		}
	}
	if f.WS(1) == f.WS(2) || !strings.HasPrefix(f.WS(1), "ws://127.0.0.1:") || !strings.HasSuffix(f.API(1).Base, "/api/v1") {
		t.Error(f.WS(1), f.WS(2), f.API(1))
	}
	dead := func(name string) {
		t.Helper()
		if ok, _ := f.Ready(t.Context(), name); ok {
			t.Errorf("%s is ready", name)
		}
	}
	f.Kill(t, "gateway-1")
	dead("gateway-1")
	f.Restart(t, "gateway-1")
	f.Stop(t, "worker-1")
	dead("worker-1")
	f.Pause(t, "gateway-2")
	f.Resume(t, "gateway-2")
	f.AwaitReady(t, "gateway-2")
	f.Pause(t, "api-1") // the end has to cope with it
}
