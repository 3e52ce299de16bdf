package stack

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFindTellsOfARunUnderWay(t *testing.T) {
	path := t.TempDir()
	if _, ok, err := Find(path); ok || err != nil {
		t.Fatalf("an empty folder: found %v, %v", ok, err)
	}
	d, err := OpenDir(path, NewProgress(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.keepEnv(map[string]string{"CHAT_RABBITMQ_URL": "amqp://u:p@h:1/"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Port("gw1.debug"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Find(path); ok || err != nil {
		t.Errorf("a run without processes: found %v, %v", ok, err)
	}
	if _, err := d.Start(Spec{Name: "gw1", Path: "/bin/sleep", Args: []string{"60"}, Stop: time.Second}); err != nil {
		t.Fatal(err)
	}
	f, ok, err := Find(path)
	if err != nil || !ok || f.Pids["gw1"] == 0 || f.Ready["gw1"] == "" {
		t.Errorf("found %+v, %v, %v", f, ok, err)
	}
	// A secret's file gives way to the run's value: both together are refused.
	got := f.Environ([]string{"A=1", "CHAT_RABBITMQ_URL_FILE=/x"})
	if want := []string{"A=1", "CHAT_RABBITMQ_URL=amqp://u:p@h:1/"}; !slices.Equal(got, want) {
		t.Errorf("environment %v, want %v", got, want)
	}
	if st, err := os.Stat(filepath.Join(path, envFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("variables: %v, %v: others may read the secret", st, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Find(path); ok || err != nil {
		t.Errorf("after the end: found %v, %v", ok, err)
	}
}
