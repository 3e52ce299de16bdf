package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
)

// The range lies below the kernel's ephemeral range, so that an outgoing connection cannot occupy a recorded port.
const (
	portLow  = 20000
	portHigh = 30000
)

// ports records one free loopback port per name in a file, so that addresses stay the same between runs.
type ports struct {
	path string
	free func(port int) bool

	mu    sync.Mutex
	kept  map[string]int
	taken map[int]string // by this run: port → name
}

func loadPorts(path string) (*ports, error) {
	p := &ports{path: path, free: portFree, kept: map[string]int{}, taken: map[int]string{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ports: %w", err)
	}
	if err := json.Unmarshal(b, &p.kept); err != nil {
		return nil, fmt.Errorf("read ports: %s is damaged (%w); delete it, new ports will be chosen", path, err)
	}
	return p, nil
}

// take returns the recorded port of name while it is free, else a new one, which it records. Within a run it stays the same.
func (p *ports) take(name string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port, ok := p.kept[name]; ok && (p.taken[port] == name || p.taken[port] == "" && p.free(port)) {
		p.taken[port] = name
		return port, nil
	}
	other := map[int]bool{}
	for n, port := range p.kept {
		other[port] = n != name
	}
	for range 200 {
		port := portLow + rand.IntN(portHigh-portLow)
		if p.taken[port] != "" || other[port] || !p.free(port) {
			continue
		}
		p.kept[name], p.taken[port] = port, name
		return port, writeJSON(p.path, p.kept)
	}
	return 0, fmt.Errorf("no free loopback port between %d and %d for %s", portLow, portHigh, name)
}

// portFree reports whether this process could listen on the loopback port now.
func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
