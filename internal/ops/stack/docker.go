package stack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os/exec"
	"strings"
	"time"
)

var errNoEngine = errors.New("no container engine is running")

// image says how a server runs in a container.
type image struct {
	ref  string
	port int
	data string
	env  []string
	args []string
}

var images = map[Kind]image{
	MySQL: {
		ref: "mysql:8.4", port: 3306, data: "/var/lib/mysql",
		env:  []string{"MYSQL_ALLOW_EMPTY_PASSWORD=yes", "MYSQL_ROOT_HOST=%", "MYSQL_DATABASE=" + databaseName},
		args: []string{"--max-connections=500", "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=256M"},
	},
	MySQL8: {
		ref: "mysql:8.4", port: 3306, data: "/var/lib/mysql",
		env: []string{"MYSQL_ALLOW_EMPTY_PASSWORD=yes", "MYSQL_ROOT_HOST=%", "MYSQL_DATABASE=" + databaseName},
	},
	Redis: {
		ref: "redis:8", port: 6379, data: "/data",
		args: []string{"redis-server", "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"},
	},
	RabbitMQ: {ref: "rabbitmq:4-management", port: 5672, data: "/var/lib/rabbitmq"},
}

// startContainer runs the server in a container bound to the loopback; its data is in a volume of the same name.
func (s *Stack) startContainer(ctx context.Context, k Kind) (Server, error) {
	if err := exec.CommandContext(ctx, "docker", "info").Run(); err != nil {
		return Server{}, errNoEngine
	}
	port, err := s.dir.Port(string(k))
	if err != nil {
		return Server{}, err
	}
	name := containerName(s.dir.path, k)
	removeContainer(ctx, name)
	s.out.Say(string(k), "starting container %s from %s", name, images[k].ref)
	args, apiPort := containerArgs(k, name, port), 0
	if k == RabbitMQ && s.brokerAPI {
		if apiPort, err = s.dir.Port(apiName); err != nil {
			return Server{}, err
		}
		args = append([]string{args[0], "--publish", fmt.Sprintf("%s:%d:15672", loopback, apiPort)}, args[1:]...)
	}
	if text, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput(); err != nil {
		return Server{}, fmt.Errorf("docker run %s: %w: %s", images[k].ref, err, strings.TrimSpace(string(text)))
	}
	srv := Server{Kind: k, Host: loopback, Port: port, Origin: "container " + images[k].ref, container: name}
	switch k {
	case MySQL, MySQL8:
		srv.User, srv.Database = databaseUser, databaseName
	case RabbitMQ:
		srv.User, srv.Password, srv.APIPort = "guest", "guest", apiPort
	}
	return srv, s.await(ctx, srv, 120*time.Second)
}

func containerArgs(k Kind, name string, port int) []string {
	im := images[k]
	args := []string{
		"run", "--detach", "--rm", "--name", name, "--hostname", name,
		"--publish", fmt.Sprintf("%s:%d:%d", loopback, port, im.port), "--volume", name + ":" + im.data,
	}
	for _, e := range im.env {
		args = append(args, "--env", e)
	}
	return append(append(args, im.ref), im.args...)
}

// containerName is the same for every run of one directory and differs between directories.
func containerName(dir string, k Kind) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(dir))
	return fmt.Sprintf("chat-%08x-%s", h.Sum32(), k)
}

func removeContainer(ctx context.Context, name string) {
	_ = exec.CommandContext(ctx, "docker", "stop", "--time", "15", name).Run()
	_ = exec.CommandContext(ctx, "docker", "rm", "--force", name).Run()
}
