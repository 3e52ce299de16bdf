package installation

import (
	"path/filepath"
	"strings"
	"testing"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

// runDir is a run directory with one live process and the variables of its servers.
func runDir(t *testing.T, path string) {
	t.Helper()
	d, err := stack.OpenDir(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := d.Start(stack.Spec{Name: "worker1", Path: "/bin/sleep", Args: []string{"60"}}); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(path, "env.json"), `{"CHAT_DATABASE_HOST":"127.0.0.9","CHAT_DATABASE_PORT":"2345"}`)
}

func TestSettingsChooseTheServers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		running bool
		file    bool // configs/worker.yaml is there
		given   Settings
		env     []string
		want    string
		wantErr string
	}{
		{name: "nothing", want: "localhost:3306"},
		{name: "file by default", file: true, want: "filehost:3306"},
		{name: "environment over file", file: true, env: []string{"CHAT_DATABASE_HOST=envhost"}, want: "envhost:3306"},
		{name: "run by default", running: true, file: true, want: "127.0.0.9:2345"},
		{name: "a given address is meant", running: true, env: []string{"CHAT_DATABASE_HOST=envhost"}, want: "envhost:3306"},
		{name: "another server's address, too", running: true, file: true, env: []string{"CHAT_REDIS_HOST=r"}, want: "filehost:3306"},
		{name: "a given file is meant", running: true, file: true, given: Settings{Config: "configs/worker.yaml"}, want: "filehost:3306"},
		{name: "a given run is meant", running: true, given: Settings{Run: ".run"}, env: []string{"CHAT_DATABASE_HOST=envhost"}, want: "127.0.0.9:2345"},
		{name: "no such run", given: Settings{Run: "elsewhere"}, want: "localhost:3306", wantErr: "nothing is running in elsewhere"},
		{name: "no such file", given: Settings{Config: "none.yaml"}, want: "localhost:3306", wantErr: "none.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if tt.running {
				runDir(t, ".run")
			}
			if tt.file {
				testkit.WriteFile(t, "configs/worker.yaml", "database:\n  host: filehost\n")
			}
			in, err := tt.given.Find(tt.env)
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
			if got := in.Database.Addr(); got != tt.want {
				t.Errorf("database at %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLoadJudgesOnlySharedSections(t *testing.T) {
	for _, tt := range []struct{ name, text, wantErr string }{
		{"sections of a process", "worker:\n  lanes: 3\ncors: [a]\nauth:\n  argon2:\n    time: 1\n", ""},
		{"keys of a process in server", "server:\n  site: true\n", ""},
		{"typo in a shared section", "database:\n  hots: a\n", "database.hots"},
		{"bad value", "rabbitmq:\n  partitions: none\n", "rabbitmq.partitions"},
		{"release", "server:\n  mode: release\ndatabase:\n  password: root\n", "database.password"},
		{"broken", "database: [\n", "yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.yaml")
			testkit.WriteFile(t, path, tt.text)
			a := Defaults()
			err := Load(path, &a, []string{"CHAT_LIMITS_MESSAGE_BYTES=1", "CHAT_GATEWAY_ID=1"})
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func TestProductFilesCanBeRead(t *testing.T) {
	files, err := filepath.Glob("../../../configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no configuration files", err)
	}
	for _, f := range files {
		a := Defaults()
		if err := Load(f, &a, nil); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
