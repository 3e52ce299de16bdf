package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// mended are the versions in which known vulnerabilities of what we use were mended, by the Go vulnerability database of August 2026 and the
// projects' own notes. Nothing goes back below them.
var mended = map[string]struct{ version, of string }{
	"go":                             {"1.26.6", "several in the standard library, among them GO-2026-4870 (a TLS key update that blocks)"},
	"github.com/valyala/fasthttp":    {"1.70.0", "GO-2026-4950, CR and LF in header values, a line feed in a chunk extension"},
	"github.com/gofiber/fiber/v2":    {"2.52.13", "CVE-2025-48075, CVE-2025-54801, CVE-2025-66630, CVE-2026-25882, CVE-2026-42554"},
	"github.com/golang-jwt/jwt/v5":   {"5.2.2", "CVE-2025-30204"},
	"github.com/redis/go-redis/v9":   {"9.7.3", "CVE-2025-29923: another caller's reply"},
	"github.com/rabbitmq/amqp091-go": {"1.16.0", "what a hostile broker could do to the reader"},
	"golang.org/x/crypto":            {"0.52.0", "many in ssh, which we don't use"},
	"golang.org/x/net":               {"0.56.0", "http2, html, idna"},
	"github.com/klauspost/compress":  {"1.18.7", "GO-2026-5841"},
}

// gone are modules without a mended version.
var gone = []string{"github.com/dgrijalva/jwt-go", "github.com/gofiber/utils"}

func TestVersionsAreMended(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testkit.Root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(\S+) v?(\d+\.\d+\.\d+)`).FindAllStringSubmatch(string(b), -1) {
		have[m[1]] = m[2]
	}
	for module, m := range mended {
		if v, used := have[module]; !used || below(v, m.version) {
			t.Errorf("%s %s is below %s, which mends %s", module, v, m.version, m.of)
		}
	}
	for _, module := range gone {
		if v, used := have[module]; used {
			t.Errorf("%s %s has vulnerabilities and no successor", module, v)
		}
	}
	image, err := os.ReadFile(filepath.Join(testkit.Root(t), "deployments/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`FROM golang:(\d+\.\d+\.\d+)-`).FindStringSubmatch(string(image))
	if m == nil || below(m[1], mended["go"].version) {
		t.Errorf("the images are built with Go %v", m)
	}
}

func below(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range as {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return false
}
