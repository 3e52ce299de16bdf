package stack

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/config"
	"chat-service/internal/ops/stack/frontdoor"
)

// productEnv holds the variables that lead the product to the servers. A server given in the environment is not
// mentioned: the processes inherit what was given.
func (r *run) productEnv() (map[string]string, error) {
	env := map[string]string{}
	if s, ok := r.servers.Server(MySQL); ok && s.Origin != fromEnv {
		env["CHAT_DATABASE_HOST"], env["CHAT_DATABASE_PORT"] = s.Host, strconv.Itoa(s.Port)
		env["CHAT_DATABASE_USER"], env["CHAT_DATABASE_PASSWORD"] = s.User, s.Password
		env["CHAT_DATABASE_DBNAME"] = s.Database
	}
	if s, ok := r.servers.Server(Redis); ok && s.Origin != fromEnv {
		env["CHAT_REDIS_HOST"], env["CHAT_REDIS_PORT"], env["CHAT_REDIS_PASSWORD"] = s.Host, strconv.Itoa(s.Port), s.Password
		maps.Copy(env, config.NoList(r.o.Configs, "CHAT_REDIS_ADDRS"))
	}
	if s, ok := r.servers.Server(RabbitMQ); ok && s.Origin != fromEnv {
		env["CHAT_RABBITMQ_URL"] = s.AMQPURL()
		maps.Copy(env, config.NoList(r.o.Configs, "CHAT_RABBITMQ_URLS"))
	}
	if os.Getenv("CHAT_JWT_SECRET") == "" && os.Getenv("CHAT_JWT_SECRET_FILE") == "" {
		s, err := secret(r.dir.path)
		if err != nil {
			return nil, err
		}
		env["CHAT_JWT_SECRET"] = s
	}
	return env, nil
}

// plan lists the product's processes with their ports, and makes the front door for them.
func (r *run) plan() error {
	r.apps = map[string]App{}
	names := []string{"api"}
	for i := range r.o.Workers {
		names = append(names, fmt.Sprintf("worker%d", i+1))
	}
	for i := range r.o.Gateways {
		names = append(names, fmt.Sprintf("gw%d", i+1))
	}
	var api frontdoor.Backend
	var gateways []frontdoor.Backend
	for _, name := range names {
		a, b, err := r.planApp(name)
		if err != nil {
			return err
		}
		r.apps[name] = a
		switch {
		case name == "api":
			api = b
		case strings.HasPrefix(name, "gw"):
			gateways = append(gateways, b)
		}
	}
	r.front = frontdoor.New(api, gateways...)
	return nil
}

func (r *run) planApp(name string) (App, frontdoor.Backend, error) {
	program, stop := strings.TrimRight(name, "0123456789"), stopWithin
	own := map[string]string{"CHAT_DEBUG_HOST": loopback}
	if program == "gw" {
		program, stop = "gateway", drainWithin
		own["CHAT_GATEWAY_ID"] = name
	}
	debug, err := r.dir.Port(name + ".debug")
	if err != nil {
		return App{}, frontdoor.Backend{}, err
	}
	own["CHAT_DEBUG_PORT"] = strconv.Itoa(debug)
	ready := fmt.Sprintf("http://%s:%d/readyz", loopback, debug)
	b := frontdoor.Backend{Name: name, Ready: func(ctx context.Context) error { return askReady(ctx, ready) }}
	if program != "worker" {
		port, err := r.dir.Port(name)
		if err != nil {
			return App{}, frontdoor.Backend{}, err
		}
		own["CHAT_SERVER_HOST"], own["CHAT_SERVER_PORT"] = loopback, strconv.Itoa(port)
		b.Addr = net.JoinHostPort(loopback, strconv.Itoa(port))
	}
	bin, err := filepath.Abs(filepath.Join(r.o.Bin, program))
	if err != nil {
		return App{}, frontdoor.Backend{}, fmt.Errorf("resolve %s: %w", program, err)
	}
	a := App{Ready: ready, Spec: Spec{
		Name: name, Path: bin, Args: []string{"-config", filepath.Join(r.o.Configs, program+".yaml")},
		Env: mergeEnv(os.Environ(), r.env, own), Stop: stop,
	}}
	return a, b, nil
}

// mergeEnv returns base with the variables of the maps set. A variable that is set also removes its …_FILE variable, because
// two sources of one value are refused.
func mergeEnv(base []string, over ...map[string]string) []string {
	all := map[string]string{}
	for _, m := range over {
		maps.Copy(all, m)
	}
	var out []string
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		_, set := all[name]
		_, asFile := all[strings.TrimSuffix(name, "_FILE")]
		if !set && !asFile {
			out = append(out, kv)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, name+"="+all[name])
	}
	return out
}

// serversText prints the variables for `source`.
func serversText(env map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&b, "export %s='%s'\n", name, env[name])
	}
	return b.String()
}

// readyText lists where everything is and shows how to send a first message.
func (r *run) readyText(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		addr = net.JoinHostPort("localhost", port)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  demo page   http://%s/   (open it in two windows, register two users)\n", addr)
	fmt.Fprintf(&b, "  REST        http://%s/api/v1   described at http://%s/docs\n", addr, addr)
	fmt.Fprintf(&b, "  WebSocket   ws://%s%s?token=<access token>\n\n", addr, frontdoor.SocketPath)
	for _, name := range slices.Sorted(maps.Keys(r.apps)) {
		fmt.Fprintf(&b, "  %-11s %s/metrics  (and /healthz, /readyz)\n", name, strings.TrimSuffix(r.apps[name].Ready, "/readyz"))
	}
	for _, k := range []Kind{MySQL, Redis, RabbitMQ} {
		if s, ok := r.servers.Server(k); ok {
			fmt.Fprintf(&b, "  %-11s %s\n", k, s.Addr())
		}
	}
	fmt.Fprintf(&b, "  files       %s  (log/, data/, pids.json, ports.json)\n", r.dir.path)
	b.WriteString(strings.ReplaceAll(firstChat, "ADDR", addr))
	fmt.Fprintf(&b, "\n  Up after %.1f s. Ctrl-C stops everything; data stays.\n\n", r.o.Out.Elapsed().Round(100*time.Millisecond).Seconds())
	return b.String()
}

const firstChat = `
  A first chat, to paste into another terminal:

    B=http://ADDR/api/v1; J='Content-Type: application/json'; N=$RANDOM; P=Correct-horse-7
    curl -sS $B/auth/register -H "$J" -d '{"username":"alice'$N'","nickname":"Alice","email":"alice'$N'@example.com","password":"'$P'"}'; echo
    BOB=$(curl -sS $B/auth/register -H "$J" -d '{"username":"bob'$N'","nickname":"Bob","email":"bob'$N'@example.com","password":"'$P'"}' | grep -o '"id":[0-9]*' | head -1 | cut -d: -f2)
    T=$(curl -sS $B/auth/login -H "$J" -d '{"username":"alice'$N'","password":"'$P'"}' | grep -o '"access_token":"[^"]*' | cut -d'"' -f4)
    ROOM=$(curl -sS $B/rooms -H "$J" -H "Authorization: Bearer $T" -d '{"type":"group","name":"First room","member_ids":['$BOB']}' | grep -o '"id":[0-9]*' | head -1 | cut -d: -f2)
    curl -sS $B/rooms/$ROOM/messages -H "$J" -H "Authorization: Bearer $T" -d '{"content":"Hello, Bob!","client_msg_id":"first-'$N'"}'; echo
    curl -sS "$B/rooms/$ROOM/messages?page=1&page_size=20" -H "Authorization: Bearer $T"; echo
`
