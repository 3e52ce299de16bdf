package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// process is a configuration like those the binaries compose.
type process struct {
	Server   Server   `yaml:"server"`
	Database Database `yaml:"database"`
	RabbitMQ RabbitMQ `yaml:"rabbitmq"`
	JWT      JWT      `yaml:"jwt"`
	Limits   struct {
		Burst  int      `yaml:"burst"`
		Rate   float64  `yaml:"rate"`
		Window Duration `yaml:"window"`
		Off    bool     `yaml:"off"`
	} `yaml:"limits"`
}

func defaults() process {
	p := process{Server: DefaultServer(8080), Database: DefaultDatabase(), RabbitMQ: DefaultRabbitMQ(), JWT: DefaultJWT()}
	p.Limits.Burst = 30
	return p
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadLayers(t *testing.T) {
	path := write(t, `
server: {host: 127.0.0.1, port: "9090"}
database:
  port: 3307
  password:
  replicas: [10.0.0.1:3306, 10.0.0.2:3306]
limits: {burst: 5, window: 250ms}
`)
	got := defaults()
	err := Load(path, &got, Environ([]string{
		"CHAT_LIMITS_BURST=7", "CHAT_LIMITS_RATE=1.5", "CHAT_LIMITS_OFF=true",
		"CHAT_DATABASE_DBNAME=other", "CHAT_DATABASE_PASSWORD=123",
		"CHAT_JWT_KEYS=old=abc, older=x=y", "PATH=/bin",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Server.Host, want.Server.Port = "127.0.0.1", 9090
	want.Database.Port, want.Database.DBName, want.Database.Password = 3307, "other", NewSecret("123")
	want.Database.Replicas = []string{"10.0.0.1:3306", "10.0.0.2:3306"}
	want.Limits.Burst, want.Limits.Rate, want.Limits.Off, want.Limits.Window = 7, 1.5, true, Duration(250*time.Millisecond)
	want.JWT.Keys = []NamedSecret{{"old", NewSecret("abc")}, {"older", NewSecret("x=y")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
}

func TestLoadSecretFiles(t *testing.T) {
	secret := write(t, "from-a-file\n")
	keys := write(t, "a=one\nb=two\n")
	yaml := write(t, "database: {password_file: "+secret+"}\n")
	got := defaults()
	err := Load(yaml, &got, Environ([]string{"CHAT_JWT_SECRET_FILE=" + secret, "CHAT_JWT_KEYS_FILE=" + keys}))
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Database.Password.Reveal(); s != "from-a-file" {
		t.Errorf("password_file gave %q", s)
	}
	if s := got.JWT.Secret.Reveal(); s != "from-a-file" {
		t.Errorf("CHAT_JWT_SECRET_FILE gave %q", s)
	}
	if len(got.JWT.Keys) != 2 || got.JWT.Keys[1].Secret.Reveal() != "two" {
		t.Errorf("CHAT_JWT_KEYS_FILE gave %v", got.JWT.Keys)
	}
}

func TestLoadRefuses(t *testing.T) {
	empty := write(t, "\n")
	for name, tt := range map[string]struct {
		yaml string
		env  []string
		want []string // one per error, each part of its text
	}{
		"unknown key":        {yaml: "server:\n  prot: 1\n", want: []string{":2: server.prot: is unknown: did you mean server.port?"}},
		"unknown section":    {yaml: "kafka: {a: 1}\n", want: []string{":1: kafka: is unknown: remove it"}},
		"double key":         {yaml: "server: {port: 1, port: 2}\n", want: []string{"server.port: is there twice"}},
		"section as value":   {yaml: "server: 8080\n", want: []string{"server: is a section"}},
		"value as section":   {yaml: "server: {port: {a: 1}}\n", want: []string{"server.port: must be"}},
		"bad port":           {yaml: "server: {port: 70000}\n", want: []string{`server.port: "70000" is not a port`}},
		"bare duration":      {yaml: "limits: {window: 5}\n", want: []string{`limits.window: "5" is not a duration`}},
		"bad number":         {env: []string{"CHAT_LIMITS_BURST=many"}, want: []string{`CHAT_LIMITS_BURST: "many" is not a whole number`}},
		"empty number":       {env: []string{"CHAT_LIMITS_BURST="}, want: []string{`CHAT_LIMITS_BURST: "" is not a whole number`}},
		"typo in a section":  {env: []string{"CHAT_DATABSE_DBNAME=x"}, want: []string{"CHAT_DATABSE_DBNAME: is a variable for no key: did you mean CHAT_DATABASE_DBNAME?"}},
		"no such section":    {env: []string{"CHAT_COLOUR=red"}, want: []string{"CHAT_COLOUR: is a variable for no key"}},
		"typo in variable":   {env: []string{"CHAT_DATABASE_DBNAM=x"}, want: []string{"did you mean CHAT_DATABASE_DBNAME?"}},
		"file of no secret":  {yaml: "server: {host_file: x}\n", want: []string{"server.host_file: is unknown"}},
		"missing secret":     {env: []string{"CHAT_JWT_SECRET_FILE=/nowhere"}, want: []string{"CHAT_JWT_SECRET_FILE: the secret's file"}},
		"empty secret file":  {env: []string{"CHAT_JWT_SECRET_FILE=" + empty}, want: []string{"is empty"}},
		"secret twice":       {env: []string{"CHAT_JWT_SECRET=x", "CHAT_JWT_SECRET_FILE=" + empty}, want: []string{"unset one"}},
		"secret twice, yaml": {yaml: "jwt: {secret: x, secret_file: " + empty + "}\n", want: []string{"is empty", "keep one"}},
		"no mapping":         {yaml: "- a\n", want: []string{"must hold keys and values"}},
		"two documents":      {yaml: "server: {port: 1}\n---\nserver: {port: 2}\n", want: []string{"more than one document"}},
		"syntax":             {yaml: "server: [\n", want: []string{"config.yaml: yaml:"}},
		"validation":         {yaml: "server: {mode: prod}\n", want: []string{`server.mode: is "prod"`}},
		"everything at once": {
			yaml: "server: {mode: x, pot: 1}\nrabbitmq: {url: http://x}\njwt: {leeway: 1h, secret: ''}\n",
			env:  []string{"CHAT_SERVER_PORT=x"},
			want: []string{"server.pot", "CHAT_SERVER_PORT", "server.mode", "rabbitmq.url", "jwt.secret", "jwt.leeway"},
		},
		"release": {
			yaml: "server: {mode: release}\n",
			want: []string{"database.password: is empty", "rabbitmq.url: has no password or a well-known one", "jwt.secret: is a default"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := defaults()
			err := Load(write(t, tt.yaml), &got, Environ(tt.env))
			if err == nil {
				t.Fatal("Load took it")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Errorf("%d errors, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no error holds %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestLoadIgnoresVariablesOfOthers(t *testing.T) {
	env := []string{
		"CHAT_TEST_MYSQL_DSN=x", "CHAT_PKG_CACHE=x", "CHAT_PORT=1", // tools and tests
		"CHAT_FAULTS_KILL=x", "CHAT_STACK_DIR=x",
		"CHAT_GATEWAY_ID=x", "CHAT_WORKER_LANES=3", // keys of another process
		"CHAT_PORT_8080_TCP_ADDR=10.0.0.1", "CHAT_SERVICE_HOST=10.0.0.1", "CHAT_API_SERVICE_PORT_HTTP=80", "CHAT_API_PORT=tcp://10.0.0.1:80", // service links
		"CHAT_LIMITS_LOGIN_PER_MIN=5",  // a foreign key
		"CHAT_SERVER_CORS_ORIGINS=x,y", // below a foreign prefix
	}
	got := defaults()
	files := fstest.MapFS{
		"gateway.yaml": {Data: []byte("gateway:\n  id: x\n")}, "worker.yaml": {Data: []byte("worker: {lanes: 1}\n")}, "empty.yaml": {},
	}
	if err := Load("", &got, Environ(env), Shared(files), Foreign("limits.login_per_min", "server.cors.")); err != nil {
		t.Error(err)
	}
	if err := Load("", &got, Environ(env)); err == nil {
		t.Error("without Shared and Foreign they must be refused")
	}
}

func TestLoadMissingFile(t *testing.T) {
	got := defaults()
	if err := Load("/nowhere/config.yaml", &got, Environ(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load = %v, want it to wrap os.ErrNotExist", err)
	}
	if err := Load("", got); err == nil {
		t.Error("Load took a struct that is no pointer")
	}
}

func TestPrintRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	if err := Print(&buf, defaults()); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(buf.String(), "url: '[redacted]'", "url: amqp://guest:guest@localhost:5672/")
	text = strings.ReplaceAll(text, "'[redacted]'", DevelopmentSecret)
	path := write(t, text)
	got := defaults()
	got.Limits.Burst, got.Server.Port = 1, 1
	if err := Load(path, &got, Environ(nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), got, cmp.Transformer("nil", func(s []string) int { return len(s) }),
		cmp.Transformer("keys", func(s []NamedSecret) int { return len(s) })); diff != "" {
		t.Errorf("loading what Print wrote (-want +got):\n%s", diff)
	}
	keys, err := FileKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Keys(&got), keys); diff != "" {
		t.Errorf("Keys and FileKeys differ:\n%s", diff)
	}
}

func TestSecretIsNeverSeen(t *testing.T) {
	const canary = "canary-7f3a"
	type inner struct{ hidden Secret }
	p := defaults()
	p.JWT.Secret, p.JWT.Keys = NewSecret(canary), []NamedSecret{{"k", NewSecret(canary)}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "secret", p.JWT.Secret, "config", p, "keys", p.JWT.Keys)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "secret", p.JWT.Secret, "config", p, "keys", p.JWT.Keys)
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var asYAML bytes.Buffer
	if err := Print(&asYAML, p); err != nil {
		t.Fatal(err)
	}
	outputs := []string{log.String(), string(asJSON), asYAML.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, p), fmt.Sprintf(verb, &p.JWT), fmt.Sprintf(verb, inner{p.JWT.Secret}))
	}
	for _, out := range outputs {
		if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) {
			t.Errorf("the secret shows in %q", out)
		}
	}
	if p.JWT.Secret.Reveal() != canary {
		t.Error("Reveal lost the text")
	}
}

func TestReleaseSecrets(t *testing.T) {
	for secret, ok := range map[string]bool{
		"your-secret-key":                          false,
		DevelopmentSecret:                          false,
		"secretsecretsecretsecretsecretsec":        false,
		"secretsecretsecretsecretsecretsecret":     false,
		strings.Repeat("a", 64):                    false,
		strings.Repeat("changeme", 8):              false,
		"0123456789abcdefghijklmnopqrstu":          false, // 31 bytes
		"your-256-bit-secret-your-256-bit-secret":  false,
		strings.Repeat("abcdefgh", 4):              false,
		strings.Repeat("kT9x-Lq2", 4) + "kT9":      false,
		"abcdefghijklmnopqrstuvwxyz0123456789":     false,
		"changeme-changeme-changeme-changeme-2026": false,
		"Vq7hT0yRk3sL9xZbE1nM5cJd8uWfGp2A":         true,
	} {
		j := DefaultJWT()
		j.Secret = NewSecret(secret)
		if err := j.ValidateRelease(); (err == nil) != ok {
			t.Errorf("secret %q: %v", secret, err)
		}
		j = DefaultJWT()
		j.Secret, j.Keys = NewSecret("Vq7hT0yRk3sL9xZbE1nM5cJd8uWfGp2A"), []NamedSecret{{"old", NewSecret(secret)}}
		if err := j.ValidateRelease(); (err == nil) != ok {
			t.Errorf("further key %q: %v", secret, err)
		}
	}
}

func TestReleaseNamesWhatIsSeldomRight(t *testing.T) {
	type all struct {
		Server   Server   `yaml:"server"`
		Database Database `yaml:"database"`
		Redis    Redis    `yaml:"redis"`
		RabbitMQ RabbitMQ `yaml:"rabbitmq"`
		Debug    Debug    `yaml:"debug"`
	}
	const password = "Kq7-vT2x-Lm9w"
	local := []string{"CHAT_SERVER_MODE=release", "CHAT_DATABASE_USER=chat", "CHAT_DATABASE_PASSWORD=" + password, "CHAT_RABBITMQ_URL=amqp://chat:" + password + "@localhost/"}
	for name, tt := range map[string]struct {
		env    []string
		warns  []string
		refuse string
	}{
		"this machine":          {},
		"mysql in the clear":    {env: []string{"CHAT_DATABASE_HOST=db.example"}, warns: []string{"database.tls"}},
		"a replica":             {env: []string{"CHAT_DATABASE_REPLICAS=10.0.0.7:3306"}, warns: []string{"database.tls"}},
		"mysql, private CA":     {env: []string{"CHAT_DATABASE_HOST=db.example", "CHAT_DATABASE_TLS_CA=/ca.pem"}},
		"redis, private CA":     {env: []string{"CHAT_REDIS_HOST=10.0.0.5", "CHAT_REDIS_TLS_CA=/ca.pem", "CHAT_REDIS_PASSWORD=" + password}},
		"an unused CA":          {env: []string{"CHAT_RABBITMQ_TLS_CA=/ca.pem"}, warns: []string{"rabbitmq.tls_ca"}, refuse: "write amqps://"},
		"mysql encrypted":       {env: []string{"CHAT_DATABASE_HOST=db.example", "CHAT_DATABASE_TLS=true"}},
		"redis in the clear":    {env: []string{"CHAT_REDIS_HOST=10.0.0.5"}, warns: []string{"redis.tls", "redis.password"}},
		"rabbitmq in the clear": {env: []string{"CHAT_RABBITMQ_URL=amqp://chat:" + password + "@mq.example/"}, warns: []string{"rabbitmq.url"}},
		"nodes in the clear": {
			env:   []string{"CHAT_RABBITMQ_URLS=amqp://chat:" + password + "@mq1/,amqp://chat:" + password + "@mq2/"},
			warns: []string{"rabbitmq.urls: entry 1", "rabbitmq.urls: entry 2"},
		},
		"a short one in all URLs": {env: []string{"CHAT_RABBITMQ_URLS=amqp://chat:kT9x@mq1/,amqp://chat:kT9x@mq2/"}, refuse: "rabbitmq.urls: entry 1: its password"},
		"rabbitmq encrypted":      {env: []string{"CHAT_RABBITMQ_URL=amqps://chat:" + password + "@mq.example/"}},
		"database root":           {env: []string{"CHAT_DATABASE_USER=root"}, warns: []string{"database.user"}},
		"debug for everybody":     {env: []string{"CHAT_DEBUG_HOST=0.0.0.0"}, warns: []string{"debug.host"}},
		"debug everywhere":        {env: []string{"CHAT_DEBUG_HOST=::"}, warns: []string{"debug.host"}},
		"in debug mode":           {env: []string{"CHAT_SERVER_MODE=debug", "CHAT_DEBUG_HOST=0.0.0.0", "CHAT_DATABASE_USER=root"}},
		"a letter":                {env: []string{"CHAT_DATABASE_PASSWORD=x"}, refuse: "database.password"},
		"a repeated one":          {env: []string{"CHAT_REDIS_PASSWORD=abcabcabcabcabc"}, refuse: "redis.password"},
		"a short one in a URL":    {env: []string{"CHAT_RABBITMQ_URL=amqp://chat:kT9x@localhost/"}, refuse: "rabbitmq.url"},
	} {
		t.Run(name, func(t *testing.T) {
			c := all{DefaultServer(1), DefaultDatabase(), DefaultRedis(), DefaultRabbitMQ(), DefaultDebug(2)}
			err := Load("", &c, Environ(append(slices.Clone(local), tt.env...)))
			if (tt.refuse == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.refuse) {
				t.Fatalf("Load = %v, want something about %q", err, tt.refuse)
			}
			got := Warnings(&c)
			if err == nil && len(got) != len(tt.warns) {
				t.Errorf("warnings %q", got)
			}
			for i, w := range tt.warns {
				if i < len(got) && !strings.HasPrefix(got[i], w+": ") {
					t.Errorf("warning %q, want one about %s", got[i], w)
				}
			}
		})
	}
}

func TestSections(t *testing.T) {
	r := DefaultRedis()
	if got := r.Addresses(); len(got) != 1 || got[0] != "localhost:6379" {
		t.Errorf("Addresses = %v", got)
	}
	r.Addrs, r.DB = []string{"a:1", "b:2"}, 3
	if r.Validate() == nil {
		t.Error("a cluster took database 3")
	}
	r.Master = "m"
	if err := r.Validate(); err != nil {
		t.Errorf("sentinels with database 3: %v", err)
	}
	r.Addrs = []string{"a"}
	if r.Validate() == nil {
		t.Error("an address without a port was taken")
	}
	q := DefaultRabbitMQ()
	if q.Prefix() != "chat" {
		t.Errorf("Prefix = %q", q.Prefix())
	}
	q.Queue = "chat.queue"
	if got := Warnings(&process{RabbitMQ: q}); len(got) != 1 || !strings.HasPrefix(got[0], "rabbitmq.queue:") {
		t.Errorf("Warnings = %v", got)
	}
	j := DefaultJWT()
	if j.Expire() != 24*time.Hour || j.Refresh() != 720*time.Hour {
		t.Errorf("lifetimes %v, %v", j.Expire(), j.Refresh())
	}
	j.Keys = []NamedSecret{{"1", NewSecret("x")}}
	if j.Validate() == nil {
		t.Error("two keys of one name were taken")
	}
}

// shared is a section of several processes: this one reads two of its keys.
type shared struct {
	Mine   int           `yaml:"mine"`
	Theirs int           `yaml:"theirs"`
	Wait   time.Duration `yaml:"wait"`
}

func (shared) ConfigKeys() []string { return []string{"mine", "wait"} }

func TestSelectiveSections(t *testing.T) {
	type settings struct {
		Shared shared `yaml:"shared"`
	}
	c := settings{shared{Mine: 1, Theirs: 2, Wait: time.Second}}
	if got, want := Keys(c), []string{"shared.mine", "shared.wait"}; !slices.Equal(got, want) {
		t.Errorf("the keys are %v, want %v", got, want)
	}
	var b strings.Builder
	if err := Print(&b, c); err != nil || b.String() != "shared:\n  mine: 1\n  wait: 1s\n" {
		t.Errorf("printed as %q, %v", b.String(), err)
	}
	if err := Load("", &c, Environ([]string{"CHAT_SHARED_WAIT=1m30s"})); err != nil || c.Shared.Wait != 90*time.Second {
		t.Errorf("a plain time.Duration is read as %v, %v", c.Shared.Wait, err)
	}
	for _, bad := range []string{"CHAT_SHARED_THEIRS=3", "CHAT_SHARED_WAIT=5"} {
		if err := Load("", &c, Environ([]string{bad})); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	file := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(file, []byte("shared:\n  theirs: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Load(file, &c, Environ(nil)); err == nil || !strings.Contains(err.Error(), "shared.theirs") {
		t.Errorf("a key that another process reads: %v", err)
	}
}
