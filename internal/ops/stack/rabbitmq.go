package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	distName = "rabbitmq-dist"
	epmdName = "rabbitmq-epmd"
	apiName  = "rabbitmq-api"
)

// startRabbitMQ starts a one-node broker with its own port mapper (epmd). Both are direct children without a shell
// in between, so that the recorded PIDs are theirs and nothing outlives the run.
func (s *Stack) startRabbitMQ(ctx context.Context, in install) (Server, error) {
	ports := map[string]int{string(RabbitMQ): 0, distName: 0, epmdName: 0}
	if s.brokerAPI {
		ports[apiName] = 0
	}
	for name := range ports {
		port, err := s.port(name)
		if err != nil {
			return Server{}, err
		}
		ports[name] = port
	}
	data := s.dir.DataPath(string(RabbitMQ))
	for _, sub := range []string{"mnesia", "home"} {
		if err := os.MkdirAll(filepath.Join(data, sub), 0o755); err != nil {
			return Server{}, fmt.Errorf("create rabbitmq data: %w", err)
		}
	}
	files := map[string]string{
		"rabbitmq.conf": rabbitConf(s.host, ports[string(RabbitMQ)]) + s.node.conf(), "env.conf": "", "enabled_plugins": "[].\n",
		"advanced.config": "[" + strings.Join(s.extra[RabbitMQ], "\n") + "].\n",
	}
	if s.brokerAPI {
		files["rabbitmq.conf"] += apiConf(s.host, ports[apiName])
		files["enabled_plugins"] = "[rabbitmq_management].\n"
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(data, name), []byte(text), 0o644); err != nil {
			return Server{}, fmt.Errorf("configure rabbitmq: %w", err)
		}
	}
	var epmd *supervisor
	if s.node != nil && s.node.Epmd != 0 {
		ports[epmdName] = s.node.Epmd
	} else {
		var err error
		if epmd, err = s.startEpmd(in, data, ports[epmdName]); err != nil {
			return Server{}, err
		}
		epmd.markReady() // it is ready at once, and restarted like the others if it ends
	}
	srv := Server{
		Kind: RabbitMQ, Host: s.host, Port: ports[string(RabbitMQ)], User: "guest", Password: "guest", Origin: in.from,
		APIPort: ports[apiName], EpmdPort: ports[epmdName], helper: epmd,
	}
	spec, err := in.rooted(Spec{
		Name: string(RabbitMQ), Path: in.server, Cwd: data, Stop: 20 * time.Second,
		Env: in.environ(s.node.environ(rabbitEnv(data, s.host, ports))...),
	}, s.dir.path)
	if err != nil {
		return srv, err
	}
	srv.main, err = s.supervise(spec)
	if err != nil {
		return srv, err
	}
	return srv, s.await(ctx, srv, 90*time.Second)
}

func (s *Stack) startEpmd(in install, data string, port int) (*supervisor, error) {
	epmd, err := in.program("epmd")
	if err != nil {
		return nil, err
	}
	path, args, err := in.command(epmd, "-port", strconv.Itoa(port), "-address", s.host)
	if err != nil {
		return nil, err
	}
	return s.supervise(Spec{Name: epmdName, Path: path, Args: args, Cwd: data, Env: in.environ(), Stop: 3 * time.Second})
}

// rabbitEnv: RABBITMQ_ALLOW_INPUT makes the script exec the Erlang VM instead of being its parent; -noinput then suppresses
// the shell that it would open. -start_epmd false: ours is running already.
func rabbitEnv(data, host string, ports map[string]int) []string {
	return []string{
		"HOME=" + filepath.Join(data, "home"),
		"RABBITMQ_NODENAME=chat@localhost",
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(data, "mnesia"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(data, "log"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(data, "rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(data, "advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(data, "env.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(data, "enabled_plugins"),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(ports[distName]),
		"RABBITMQ_ALLOW_INPUT=1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput -start_epmd false -kernel inet_dist_use_interface {" + strings.ReplaceAll(host, ".", ",") + "}",
		"ERL_EPMD_PORT=" + strconv.Itoa(ports[epmdName]),
		"ERL_EPMD_ADDRESS=" + host,
		"ERL_CRASH_DUMP_BYTES=0",
	}
}

// conf has the node join those of its peers that run when it starts for the first time.
func (n *Node) conf() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("cluster_formation.peer_discovery_backend = classic_config\ncluster_formation.discovery_retry_limit = 2\n")
	for i, name := range n.Peers {
		fmt.Fprintf(&b, "cluster_formation.classic_config.nodes.%d = %s\n", i+1, full(name))
	}
	return b.String()
}

// environ gives the node its name, and the word by which nodes of a cluster know each other: whoever reaches their ports on the loopback
// has the run directory's files anyway.
func (n *Node) environ(env []string) []string {
	if n == nil {
		return env
	}
	for i, kv := range env {
		switch name, value, _ := strings.Cut(kv, "="); name {
		case "RABBITMQ_NODENAME":
			env[i] = name + "=" + full(n.Name)
		case "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
			env[i] = name + "=" + value + " -setcookie " + NodeCookie
		}
	}
	if n.Name != full(n.Name) {
		return env
	}
	return append(env, "RABBITMQ_USE_LONGNAME=true")
}

// full is a node's name with its host.
func full(name string) string {
	if strings.Contains(name, "@") {
		return name
	}
	return name + "@localhost"
}

// NodeCookie is the word by which the nodes of a cluster know each other.
const NodeCookie = "chat-nodes-on-one-machine"

// rabbitConf keeps quorum queues cheap (a small write-ahead log and small segments) and sets alarms that suit a
// machine that does other things, too.
func rabbitConf(host string, port int) string {
	remote := ""
	if host != loopback {
		remote = "loopback_users = none\n"
	}
	return fmt.Sprintf(`listeners.tcp.1 = %s:%d
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 16777216
raft.segment_max_entries = 2048
log.console = true
log.console.level = info
log.file = false
`, host, port) + remote
}

// apiConf has the HTTP API listen, and collect no statistics, which nobody looks at.
func apiConf(host string, port int) string {
	return fmt.Sprintf("management.tcp.ip = %s\nmanagement.tcp.port = %d\nmanagement_agent.disable_metrics_collector = true\n", host, port)
}

// rewriteErlang makes an unpacked Erlang find its own files: its start scripts contain an absolute path that no variable
// overrides.
func rewriteErlang(tree, root string) error {
	for _, pattern := range []string{"usr/lib/erlang/bin", "usr/lib/erlang/erts-*/bin"} {
		for _, name := range []string{"erl", "start"} {
			files, err := filepath.Glob(filepath.Join(tree, pattern, name))
			if err != nil {
				return err
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					return fmt.Errorf("rewrite erlang: %w", err)
				}
				text := strings.ReplaceAll(string(b), "ROOTDIR=/usr/lib/erlang", "ROOTDIR="+filepath.Join(root, "usr/lib/erlang"))
				if err := writeFile(f, []byte(text), 0o755); err != nil {
					return fmt.Errorf("rewrite erlang: %w", err)
				}
			}
		}
	}
	return nil
}
