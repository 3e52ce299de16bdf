//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// check runs a program's configuration check and returns what it says, and whether it is content.
func check(t *testing.T, program, config string, env ...string) (said string, ok bool) {
	t.Helper()
	bin := testkit.Binaries(t) // before the deadline: tests beside this one build, too
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{"-check"}
	if config != "" {
		file := filepath.Join(t.TempDir(), program+".yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-config", file)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CHAT_") })
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

var programs = []string{"gateway", "worker", "api"}

// seed is the configuration file that the project was asked for.
const seed = `
server:
  host: "0.0.0.0"
  port: "8080"
  mode: "debug"
database:
  host: "localhost"
  port: "3306"
  user: "root"
  password: "your_password"
  dbname: "chat_service"
redis:
  host: "localhost"
  port: "6379"
  password: ""
  db: 0
rabbitmq:
  url: "amqp://guest:guest@localhost:5672/"
  exchange: "chat.exchange"
  queue: "chat.queue"
jwt:
  secret: "your-secret-key"
  expire_hour: 24
`

// sections cuts sections out of the seed's file.
func sections(names ...string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(seed) {
		if !strings.HasPrefix(line, " ") {
			in = slices.Contains(names, strings.TrimSuffix(strings.TrimSpace(line), ":"))
		}
		if in {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	good(t, "config files", "config variables", "config seed file", "config rabbitmq.queue is accepted", "config ports as strings", "config limits can be 0")
	for _, p := range programs {
		file, err := os.ReadFile(filepath.Join(testkit.Root(t), "configs", p+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if said, ok := check(t, p, string(file)); !ok {
			t.Errorf("configs/%s.yaml: %s", p, said)
		}
		if said, ok := check(t, p, ""); !ok {
			t.Errorf("%s without a file: %s", p, said)
		}
	}
	for p, file := range map[string]string{
		"gateway": sections("server", "rabbitmq", "jwt"),
		"worker":  sections("database", "redis", "rabbitmq"),
		"api":     sections("server", "database", "redis", "jwt"),
	} {
		if said, ok := check(t, p, file); !ok {
			t.Errorf("the seed's sections for %s: %s", p, said)
		}
	}
	if said, ok := check(t, "api", "", "CHAT_DATABASE_DBNAME=x", "CHAT_RABBITMQ_URL=amqp://a:b@c/", "CHAT_JWT_SECRET=anything", "CHAT_SERVER_PORT=8080",
		"CHAT_LIMITS_LOGIN_PER_MINUTE=0", "CHAT_LIMITS_MESSAGE_BYTES=0", "CHAT_AUTH_ARGON2_MEMORY_KIB=64"); !ok {
		t.Errorf("variables: %s", said)
	}
}

func TestConfigurationRefuses(t *testing.T) {
	t.Parallel()
	bad(t, "config unknown keys", "config all errors at once", "config release refuses secrets", "config secrets from files")
	refuse := func(program, file string, words []string, env ...string) {
		t.Helper()
		said, ok := check(t, program, file, env...)
		if ok {
			t.Errorf("%s is content with %q %v", program, file, env)
		}
		for _, word := range words {
			if !strings.Contains(said, word) {
				t.Errorf("%s says %q, and nothing of %q", program, said, word)
			}
		}
	}
	for _, p := range programs {
		refuse(p, "log:\n  levels: info\n", []string{"levels"})
		refuse(p, "colour: red\nlog:\n  level: loud\n", []string{"colour", "level"}, "CHAT_DEBUG_PORT=99999999")
		refuse(p, "", []string{"CHAT_DEBUG_PROT"}, "CHAT_DEBUG_PROT=1")
		refuse(p, "", []string{"did you mean CHAT_DATABASE_HOST?", "did you mean CHAT_RABBITMQ_URL?", "did you mean CHAT_GATEWAY_ID?"},
			"CHAT_DATABSE_HOST=x", "CHAT_RABITMQ_URL=x", "CHAT_GATWAY_ID=x")
	}
	refuse("api", "", []string{"secret"}, "CHAT_SERVER_MODE=release")
	refuse("gateway", "", []string{"secret"}, "CHAT_SERVER_MODE=release")
	refuse("api", "", []string{"secret", "password"}, "CHAT_SERVER_MODE=release", "CHAT_JWT_SECRET=your-secret-key", "CHAT_DATABASE_PASSWORD=password")
	refuse("gateway", "", []string{"32"}, "CHAT_SERVER_MODE=release", "CHAT_JWT_SECRET=Zk3-short")
	refuse("worker", "", []string{"password"}, "CHAT_SERVER_MODE=release", "CHAT_DATABASE_PASSWORD=your_password")
	refuse("api", "", []string{"CHAT_JWT_SECRET"}, "CHAT_JWT_SECRET_FILE=/nowhere/at/all")
	refuse("api", "", []string{"CHAT_JWT_SECRET_FILE"}, "CHAT_JWT_SECRET_FILE=/dev/null", "CHAT_JWT_SECRET=x")
}
