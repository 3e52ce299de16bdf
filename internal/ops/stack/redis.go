package stack

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// startRedis starts Redis with an append-only file. Nothing is ever evicted, because the product bounds its own caches.
func (s *Stack) startRedis(ctx context.Context, in install) (Server, error) {
	port, err := s.port(string(Redis))
	if err != nil {
		return Server{}, err
	}
	data := s.dir.DataPath(string(Redis))
	if err := os.MkdirAll(data, 0o755); err != nil {
		return Server{}, fmt.Errorf("create redis data: %w", err)
	}
	main, err := s.supervise(Spec{
		Name: string(Redis), Path: in.server, Cwd: data, Env: in.environ(), Stop: 10 * time.Second,
		Args: append([]string{
			"--port", strconv.Itoa(port), "--bind", s.host, "--dir", data, "--daemonize", "no",
			"--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
		}, s.extra[Redis]...),
	})
	if err != nil {
		return Server{}, err
	}
	srv := Server{Kind: Redis, Host: s.host, Port: port, Origin: in.from, Program: in.server, Environ: in.environ(), main: main}
	return srv, s.await(ctx, srv, 30*time.Second)
}
