package deploy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestErrorsOfHAProxy: each file is a whole answer in the service's form, and configured for its status.
func TestErrorsOfHAProxy(t *testing.T) {
	dir := filepath.Join(testkit.Root(t), "deployments")
	config, err := os.ReadFile(filepath.Join(dir, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "haproxy-errors", "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	if n := strings.Count(string(config), "\n    errorfile "); n != len(files) {
		t.Errorf("%d files are configured, %d are there", n, len(files))
	}
	for _, file := range files {
		status, _, _ := strings.Cut(filepath.Base(file), ".")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		var p struct {
			Type, Title, Code, Detail string
			Status                    int
			RequestID                 string `json:"request_id"`
		}
		if err != nil || json.Unmarshal(body, &p) != nil || !bytes.HasSuffix(text, body) || res.ContentLength != int64(len(body)) {
			t.Errorf("%s: %q, %v", file, body, err)
		}
		if p.Status != res.StatusCode || p.Title != http.StatusText(p.Status) || p.Type != "about:blank" || p.Code == "" || p.Detail == "" || p.RequestID == "" ||
			res.Header.Get("Content-Type") != "application/problem+json" || !strings.HasPrefix(res.Status, status) {
			t.Errorf("%s: %s, %+v", file, res.Status, p)
		}
		if line := "    errorfile " + status + " haproxy-errors/" + status + ".http\n"; !strings.Contains(string(config), line) {
			t.Errorf("haproxy.cfg lacks %q", line)
		}
	}
}
