package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"chat-service/internal/config"
	"chat-service/internal/ops/grants"
	"chat-service/internal/test/testkit"
)

// compose is what the tests look at in compose.yaml.
type compose struct {
	Services map[string]*service              `yaml:"services"`
	Secrets  map[string]struct{ File string } `yaml:"secrets"`
	Volumes  map[string]any                   `yaml:"volumes"`
}

type service struct {
	Image       string
	Build       struct{ Dockerfile, Target string }
	Command     []string
	Environment map[string]string
	Secrets     []secret
	Volumes     []string
	Hostname    string
	Profiles    []string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	Healthcheck struct{ Test []string }
	DependsOn   names `yaml:"depends_on"`
}

// secret is a name, or a name with a place.
type secret struct{ Source, Target string }

// UnmarshalYAML reads either form.
func (s *secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*s = secret{n.Value, "/run/secrets/" + n.Value}
		return nil
	}
	type plain secret
	return n.Decode((*plain)(s))
}

// names are a list, or the keys of a map.
type names []string

// UnmarshalYAML reads either form.
func (l *names) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]string)(l))
	}
	m := map[string]any{}
	err := n.Decode(&m)
	for k := range m {
		*l = append(*l, k)
	}
	return err
}

func read(t *testing.T) compose {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Root(t), "deployments/compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) < 10 {
		t.Fatalf("%d services", len(c.Services))
	}
	return c
}

// program is the program of ours that a service runs, "" if it is another's.
func (s service) program() string { return s.Build.Target }

// jobs end by themselves; tools run when they are called.
func (s service) job() bool { return s.program() == "chatctl" }

var exact = regexp.MustCompile(`^[a-z]+:\d+\.\d+\.\d+(-[a-z]+)?$`)

func TestComposeNamesWhatExists(t *testing.T) {
	c := read(t)
	for name, s := range c.Services {
		if s.program() == "" && !exact.MatchString(s.Image) {
			t.Errorf("%s: the tag of %s may move", name, s.Image)
		}
		if len(s.Healthcheck.Test) == 0 && !s.job() {
			t.Errorf("%s has no health check", name)
		}
		if s.program() != "" && (!s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"})) {
			t.Errorf("%s may write, or has capabilities", name)
		}
		for _, d := range s.DependsOn {
			if c.Services[d] == nil {
				t.Errorf("%s depends on %s, which isn't there", name, d)
			}
		}
		used := map[string]bool{}
		for _, text := range slices.Concat(slices.Collect(mapsValues(s.Environment)), s.Command, s.Healthcheck.Test) {
			for _, m := range regexp.MustCompile(`/run/secrets/([a-z_]+)`).FindAllStringSubmatch(text, -1) {
				used[m[1]] = true
			}
		}
		for _, sec := range s.Secrets {
			if c.Secrets[sec.Source].File == "" {
				t.Errorf("%s has a secret %s, which isn't there", name, sec.Source)
			}
			if strings.HasPrefix(sec.Target, "/run/secrets/") && !used[sec.Source] && name != "grants" {
				t.Errorf("%s can read the secret %s and doesn't use it", name, sec.Source)
			}
			delete(used, sec.Source)
		}
		for u := range used {
			t.Errorf("%s uses the secret %s and doesn't have it", name, u)
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			_, kept := c.Volumes[source]
			_, err := os.Stat(filepath.Join(testkit.Root(t), "deployments", source))
			if !kept && err != nil {
				t.Errorf("%s mounts %s, which isn't there", name, source)
			}
		}
	}
}

func mapsValues(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// TestComposeVariablesAreKnown: each variable of a process is a key of its own file.
func TestComposeVariablesAreKnown(t *testing.T) {
	for name, s := range read(t).Services {
		if s.program() == "" {
			continue
		}
		files := []string{s.program()}
		if s.job() { // it reads the servers' sections
			files = []string{"worker"}
		}
		known := map[string]bool{}
		for _, f := range files {
			keys, err := config.FileKeys(filepath.Join(testkit.Root(t), "configs", f+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				known[config.EnvName(k)] = true
			}
		}
		for v := range s.Environment {
			if !known[v] && !known[strings.TrimSuffix(v, "_FILE")] {
				t.Errorf("%s: no key has the variable %s", name, v)
			}
		}
	}
}

// TestComposeProcessesHaveTheirOwnUsers: what `chatctl grants` makes is what the processes use, each its own, and the job that makes them has
// their passwords.
func TestComposeProcessesHaveTheirOwnUsers(t *testing.T) {
	c := read(t)
	plan := grants.Plan{Names: "chat"}
	made := map[string]grants.User{}
	for _, server := range grants.Servers() {
		for _, u := range plan.Users(server) {
			made[u.File()] = u
			if !slices.ContainsFunc(c.Services["grants"].Secrets, func(s secret) bool { return s.Source == u.File() }) {
				t.Errorf("grants lacks the password of %s", u.File())
			}
		}
	}
	for name, s := range c.Services {
		role := s.program()
		switch {
		case role == "" || name == "migrate" || name == "grants":
			continue
		case role == "chatctl":
			role = "operator"
		}
		env := s.Environment
		for server, prefix := range map[string]string{"mysql": "CHAT_DATABASE_", "redis": "CHAT_REDIS_"} {
			user := env[prefix+map[string]string{"mysql": "USER", "redis": "USERNAME"}[server]]
			u, ok := made[server+"_"+role]
			switch {
			case ok && (user != u.Name || env[prefix+"PASSWORD_FILE"] != "/run/secrets/"+u.File()):
				t.Errorf("%s is %q on %s, with %s", name, user, server, env[prefix+"PASSWORD_FILE"])
			case !ok && env[prefix+"HOST"] != "":
				t.Errorf("%s knows %s and has no user there", name, server)
			}
		}
		_, ok := made["rabbitmq_"+role]
		if want := "/run/secrets/rabbitmq_" + role + "_url"; ok && env["CHAT_RABBITMQ_URL_FILE"] != want || !ok && env["CHAT_RABBITMQ_URL_FILE"] != "" {
			t.Errorf("%s has the broker's URL %q", name, env["CHAT_RABBITMQ_URL_FILE"])
		}
		if !s.job() && env["CHAT_SERVER_MODE"] != "release" {
			t.Errorf("%s is not in release mode", name)
		}
		if host := env["CHAT_DEBUG_HOST"]; host != "" && host != s.Hostname {
			t.Errorf("%s: the debug listener is on %s", name, host)
		}
		if strings.Contains(strings.Join(s.Healthcheck.Test, " "), "-ready") == s.job() {
			t.Errorf("%s: the health check %v isn't ours", name, s.Healthcheck.Test)
		}
	}
}

// secretsOf makes the files as `make secrets` does, in a folder of the test's.
func secretsOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "secrets", "SECRETS="+dir)
	cmd.Dir = testkit.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make secrets: %v\n%s", err, out)
	}
	return dir
}

func TestSecretsAreMade(t *testing.T) {
	dir := secretsOf(t)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	seen := map[string]string{}
	for name, s := range read(t).Secrets {
		if filepath.Base(s.File) != name || filepath.Dir(s.File) != "../.run/secrets" {
			t.Errorf("%s is %s", name, s.File)
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(b) < 64 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		if other := seen[string(b)]; other != "" {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[string(b)] = name
	}
}
