//go:build e2e

package attacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chat-service/internal/test/testkit"
)

func operatorsPages(a *attack) {
	for _, host := range []string{hostOf(a.api.Base), hostOf(a.strict.Base), hostOf(a.WS(1))} {
		for _, path := range []string{
			"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/api/v1/metrics", "/actuator", "/server-status", "/.env", "/.git/config",
			"//metrics", "/api/v1/../metrics", "/%6detrics", "/api/v1/..%2f..%2fetc/passwd", "/..%5c..%5cetc/passwd", "/configs/api.yaml",
		} {
			answer, _ := a.wire(host, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 5*time.Second)
			if !strings.HasPrefix(answer, "HTTP/1.1 404 ") && !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
				a.Errorf("%s%s: %s", host, path, brief(answer))
			}
		}
	}
	for _, path := range []string{"/readyz", "/healthz"} {
		r := a.ask(testkit.API{Base: "http://" + hostOf(a.WS(1))}, request{method: "GET", path: path})
		if r.Status != 200 || strings.TrimSpace(string(r.Raw)) != `{"status":"ok"}` {
			a.Errorf("the gateway's public %s tells %d %s", path, r.Status, r.Raw)
		}
	}
	debug := regexp.MustCompile(`(?s)\ndebug:[^\n]*\n  host: 127\.0\.0\.1\n`)
	for _, program := range []string{"api", "gateway", "worker"} {
		file, err := os.ReadFile(filepath.Join(testkit.Root(a), "configs", program+".yaml"))
		if err != nil || !debug.Match(file) {
			a.Errorf("configs/%s.yaml: the debug listener isn't on loopback (%v)", program, err)
		}
	}
}

func releaseRefuses(a *attack) {
	for program, list := range map[string]map[string]string{
		"api": {
			"CHAT_JWT_SECRET=changeme": "jwt.secret", "CHAT_DATABASE_PASSWORD=": "database.password", "CHAT_DATABASE_PASSWORD=your_password": "database.password",
			"CHAT_CORS_ORIGINS=*": "cors", "CHAT_AUTH_ARGON2_MEMORY_KIB=1024": "argon2", "CHAT_AUTH_ARGON2_TIME=1": "argon2", "CHAT_REDIS_PASSWORD=redis": "redis.password",
		},
		"gateway": {"CHAT_RABBITMQ_URL=amqp://guest:guest@localhost:5672/": "rabbitmq.url", "CHAT_RABBITMQ_URL=amqp://chat@localhost:5672/": "rabbitmq.url", "CHAT_GATEWAY_ORIGINS=*": "origins"},
		"worker":  {"CHAT_RABBITMQ_URL=amqp://guest:guest@localhost:5672/": "rabbitmq.url", "CHAT_DATABASE_PASSWORD=root": "database.password"},
	} {
		if said, ok := a.configured(program, "", forProgram(program, releaseEnv())...); !ok {
			a.Errorf("%s in release mode, well set up: %s", program, said)
		}
		for env, word := range list {
			a.refusesToStart(program, []string{word}, append(forProgram(program, releaseEnv()), env)...)
		}
	}
}

// forProgram leaves out what a program doesn't read.
func forProgram(program string, env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		return program == "worker" && strings.HasPrefix(kv, "CHAT_JWT") || program == "gateway" && strings.HasPrefix(kv, "CHAT_DATABASE")
	})
}

// planted hands secrets and texts to every entrance, in good order and in bad.
func (a *attack) planted() {
	a.Helper()
	const canary = "canary-77f1"
	a.canaries.add(canary, "a text or secret that somebody sent")
	u := a.users(1)[0]
	a.canaries.add(u.Token, "an access token")
	a.canaries.add(u.Refresh, "a refresh token")
	a.canaries.add(a.password, "the database's password")
	room := a.api.CreateRoom(a, u)
	for gateway := 1; gateway <= 2; gateway++ {
		s := a.dial(gateway, u)
		a.chat(s, room, canary+" by socket")
		for _, bad := range []string{
			fmt.Sprintf(`{"type":"message","room_id":%d,"content":"%s","client_msg_id":"%s"}`, room, canary, strings.Repeat("x", 300)),
			`{"type":"message","room_id":999999999,"content":"` + canary + `","client_msg_id":"` + fresh() + `"}`,
			fmt.Sprintf(`{"type":"message","room_id":%d,"content":"%s","client_msg_id":"%s"}`, room, canary+strings.Repeat("x", 20<<10), fresh()),
			`{"type":"message","content":"` + canary + `","` + canary + `":1}`, `{"type":"` + canary + `"}`, `{"type":"message","content":"` + canary,
		} {
			s.SendText(a, bad)
			s.Expect(a, is("error"))
		}
		for _, token := range []string{canary, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI" + canary + "." + canary} {
			a.closed(testkit.Dial(a, a.WS(gateway), token), 4500)
		}
	}
	for _, api := range []testkit.API{a.api, a.strict} {
		for _, r := range []request{
			{path: "/auth/login", body: obj{"username": u.Username, "password": canary}},
			{path: "/auth/login", body: obj{"username": u.Username, "password": obj{"is": canary}}},
			{path: "/auth/register", body: obj{"username": "!", "email": "x", "password": canary}},
			{path: "/auth/refresh", body: obj{"refresh_token": canary}},
			{path: roomPath(room, "/messages"), token: canary, body: obj{"content": canary}},
			{path: roomPath(room, "/messages"), token: u.Token, body: obj{"content": canary, canary: 1}},
			{path: "/me?token=" + canary, token: canary},
			{path: "/me", header: http.Header{"Authorization": {basic("x", canary)}}},
		} {
			if r.method = "POST"; r.body == nil {
				r.method = "GET"
			}
			a.client(a.ask(api, r), r.path)
		}
	}
	a.post(u, room, canary+" by REST")
}

func secretsTold(a *attack) {
	a.planted()
	tokens := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)
	for _, name := range a.Names() {
		texts := map[string]string{"log": a.Fleet.Log(name, 1<<30)}
		if _, running := a.pids[name]; running {
			texts["metrics"] = a.metrics(name)
			for _, page := range []string{"goroutine?debug=2", "cmdline", "heap?debug=1", "allocs?debug=1"} {
				res, err := http.Get(a.Debug(name) + "/debug/pprof/" + page)
				if err != nil {
					a.Fatal(err)
				}
				b, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				texts["pprof "+page] = string(b)
			}
		}
		for where, text := range texts {
			if len(text) < 20 {
				a.Errorf("%s of %s: %d bytes: nothing was looked at", where, name, len(text))
			}
			for _, found := range a.canaries.told(text) {
				a.Errorf("%s of %s tells %s", where, name, found)
			}
			if found := tokens.FindString(text); found != "" {
				a.Errorf("%s of %s tells a token: %s", where, name, brief(found))
			}
		}
	}
	rows, err := a.DB.DB.QueryContext(a.Context(), "SELECT detail FROM audit")
	if err != nil {
		a.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var detail string
		if err := rows.Scan(&detail); err != nil {
			a.Fatal(err)
		}
		for _, found := range a.canaries.told(detail) {
			a.Errorf("the audit trail tells %s", found)
		}
	}
	if err := rows.Err(); err != nil {
		a.Fatal(err)
	}
}

func secretsFromFiles(a *attack) {
	const secret = "Vb3-mQ8zTn5kWx2pLr7yHd4sGf6jCa9eUo1iXt0R"
	file := filepath.Join(a.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		a.Fatal(err)
	}
	env := slices.DeleteFunc(releaseEnv(), func(kv string) bool { return strings.HasPrefix(kv, "CHAT_JWT_SECRET=") })
	for _, program := range []string{"api", "gateway"} {
		if said, ok := a.configured(program, "", append(env, "CHAT_JWT_SECRET_FILE="+file)...); !ok || strings.Contains(said, secret) {
			a.Errorf("%s with a secret from a file: %v %s", program, ok, said)
		}
		a.refusesToStart(program, []string{"CHAT_JWT_SECRET"}, append(env, "CHAT_JWT_SECRET_FILE=/nowhere/at/all")...)
		a.refusesToStart(program, []string{"CHAT_JWT_SECRET_FILE"}, append(env, "CHAT_JWT_SECRET_FILE="+file, "CHAT_JWT_SECRET="+secret)...)
		said, _ := a.configured(program, "jwt:\n  secret: "+secret+"\n  expire_hour: never\n", "CHAT_JWT_KEYS="+secret, "CHAT_LOG_LEVEL="+"loud")
		if strings.Contains(said, secret) {
			a.Errorf("%s tells a secret among its errors: %s", program, said)
		}
	}
	said, _ := a.configured("worker", "", "CHAT_RABBITMQ_URL=amqp://chat:"+secret+"@[:x", "CHAT_DATABASE_PASSWORD="+secret, "CHAT_DATABASE_PORT=x")
	if strings.Contains(said, secret) {
		a.Errorf("a worker tells a secret among its errors: %s", said)
	}
	if strings.Contains(a.Fleet.Log("api-2", 1<<30), a.password) {
		a.Error("api-2, whose password comes from a file, tells it")
	}
}

func crash(a *attack) {
	if err := syscall.Kill(a.PID(a, crashed), syscall.SIGQUIT); err != nil {
		a.Fatal(err)
	}
	if !a.Ended(a, crashed, patience) {
		a.Fatal("SIGQUIT doesn't end a process")
	}
	log := a.Fleet.Log(crashed, 1<<30)
	if !strings.Contains(log, "SIGQUIT") || !strings.Contains(log, "goroutine ") {
		a.Errorf("no crash output: %s", brief(log))
	}
	amqp := testkit.AMQPURL(a)
	for _, secret := range []string{a.Secret, "CHAT_JWT_SECRET", "CHAT_DATABASE", amqp} {
		if strings.Contains(log, secret) {
			a.Errorf("the crash output holds %s", secret)
		}
	}
}

// standIn is a TLS server whose certificate nobody has reason to trust; it counts the clients that trust it all the same.
type standIn struct {
	addr    string
	trusted chan string
}

// certificate makes one that signs itself, for a name, and writes it as a PEM file.
func (a *attack) certificate(name string) (tls.Certificate, string) {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		form.DNSNames, form.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		a.Fatal(err)
	}
	file := filepath.Join(a.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		a.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func (a *attack) standIn(cert tls.Certificate, highest uint16) *standIn {
	a.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = l.Close() })
	s := &standIn{addr: l.Addr().String(), trusted: make(chan string, 100)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
				c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: highest})
				b := make([]byte, 64)
				if c.Handshake() == nil {
					if n, _ := c.Read(b); n > 0 { // the client has taken the certificate
						s.trusted <- string(b[:n])
					}
				}
			}()
		}
	}()
	return s
}

func untrustedServers(a *attack) {
	good, ca := a.certificate("127.0.0.1")
	other, _ := a.certificate("127.0.0.1")
	elsewhere, _ := a.certificate("elsewhere.example")
	_, elsewhereCA := good, ca
	for what, c := range map[string]struct {
		cert    tls.Certificate
		ca      string
		highest uint16
		trusted bool
	}{
		"its own authority":         {good, ca, tls.VersionTLS13, true},
		"another authority":         {other, ca, tls.VersionTLS13, false},
		"the system's authorities":  {good, "", tls.VersionTLS13, false},
		"another name":              {elsewhere, elsewhereCA, tls.VersionTLS13, false},
		"TLS 1.1 and its authority": {good, ca, tls.VersionTLS11, false},
	} {
		amqp, redis := a.standIn(c.cert, c.highest), a.standIn(c.cert, c.highest)
		host, port, _ := net.SplitHostPort(redis.addr)
		log := a.run("worker", 4*time.Second, map[string]string{
			"CHAT_RABBITMQ_URL": "amqps://chat:a-secret-of-the-broker@" + amqp.addr + "/", "CHAT_RABBITMQ_TLS_CA": c.ca,
			"CHAT_REDIS_HOST": host, "CHAT_REDIS_PORT": port, "CHAT_REDIS_TLS": "true", "CHAT_REDIS_TLS_CA": c.ca, "CHAT_REDIS_PASSWORD": "a-secret-of-the-cache",
			"CHAT_SERVER_GIVE_UP": "2s",
		})
		for name, s := range map[string]*standIn{"RabbitMQ": amqp, "Redis": redis} {
			if got := len(s.trusted) > 0; got != c.trusted {
				a.Errorf("%s with a certificate by %s is trusted: %v, want %v", name, what, got, c.trusted)
			}
		}
		if !c.trusted && !strings.Contains(log, "x509") && !strings.Contains(log, "certificate") && !strings.Contains(log, "tls:") {
			a.Errorf("%s: the log says nothing of certificates:\n%s", what, brief(log))
		}
	}
	log := a.run("worker", 4*time.Second, map[string]string{"CHAT_DATABASE_TLS": "true", "CHAT_DATABASE_TLS_CA": ca, "CHAT_SERVER_GIVE_UP": "2s"})
	if !strings.Contains(strings.ToLower(log), "tls") && !strings.Contains(log, "x509") {
		a.Errorf("a database without a certificate of that authority: %s", brief(log))
	}
}

// run lets one more process of a kind run for a while, with changes to its variables, and returns its log. It must not become ready.
func (a *attack) run(kind string, long time.Duration, env map[string]string) string {
	a.Helper()
	name := kind + "-" + fresh()
	a.Launch(a, kind, name, env)
	defer func() {
		if !a.Ended(a, name, 0) {
			a.Kill(a, name)
		}
	}()
	deadline := time.Now().Add(long)
	for time.Now().Before(deadline) && !a.Ended(a, name, 50*time.Millisecond) {
		if ok, _ := a.Ready(a.Context(), name); ok {
			a.Errorf("%s is ready", name)
			break
		}
	}
	return a.Fleet.Log(name, 1000)
}

// least are the versions below which a server or library has a known hole that concerns us.
var least = []struct{ name, version string }{
	{"github.com/valyala/fasthttp", "1.70.0"},
	{"github.com/gofiber/fiber/v2", "2.52.13"},
	{"github.com/golang-jwt/jwt/v5", "5.2.2"},
	{"github.com/redis/go-redis/v9", "9.7.3"},
	{"github.com/rabbitmq/amqp091-go", "1.10.0"},
	{"github.com/klauspost/compress", "1.18.7"},
	{"github.com/gofiber/utils", "1.2.0"},
	{"golang.org/x/net", "0.56.0"},
	{"golang.org/x/crypto", "0.52.0"},
	{"go", "1.26.6"},
}

func versions(a *attack) {
	file, err := os.ReadFile(filepath.Join(testkit.Root(a), "go.mod"))
	if err != nil {
		a.Fatal(err)
	}
	have := map[string]string{}
	for line := range strings.Lines(string(file)) {
		if fields := strings.Fields(line); len(fields) >= 2 {
			have[fields[0]] = strings.TrimPrefix(fields[1], "v")
		}
	}
	if res, err := http.Get(a.Debug("api-1") + "/metrics"); err == nil {
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if m := regexp.MustCompile(`go_info\{version="go([0-9.]+)`).FindSubmatch(b); m != nil {
			have["go"] = string(m[1])
		}
	}
	for _, l := range least {
		if v := have[l.name]; v != "" && older(v, l.version) || v == "" && l.name == "go" {
			a.Errorf("%s is %q, want %s or later", l.name, v, l.version)
		}
	}
	for _, m := range image.FindAllStringSubmatch(a.compose(), -1) { // RabbitMQ's hole is in its MQTT plugin, which is off
		if m[1] == "redis" && older(m[2], "8.6.3") {
			a.Errorf("compose.yaml runs redis %s, want 8.6.3 or later", m[2])
		}
	}
	if have["github.com/dgrijalva/jwt-go"] != "" {
		a.Error("dgrijalva/jwt-go is abandoned")
	}
}

// older compares versions of numbers.
func older(v, than string) bool {
	one, two := strings.Split(v, "."), strings.Split(than, ".")
	for i := range min(len(one), len(two)) {
		x, _ := strconv.Atoi(one[i])
		y, _ := strconv.Atoi(two[i])
		if x != y {
			return x < y
		}
	}
	return len(one) < len(two)
}
