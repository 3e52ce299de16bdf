// Package ports keeps one free loopback port for each name in a file, so that addresses stay the same between runs.
package ports

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

// Ports are taken from Low up to High. The range lies below the kernel's ephemeral range, so that an outgoing connection cannot occupy a recorded port.
const (
	Low  = 20000
	High = 30000
)

// File is such a file, and what this run has taken from it.
type File struct {
	path string
	save func(path string, v any) error
	free func(port int) bool

	mu    sync.Mutex
	kept  map[string]int
	taken map[int]string // by this run: port → name
}

// Load reads a file, which need not be there. save replaces it.
func Load(path string, save func(path string, v any) error) (*File, error) {
	p := &File{path: path, save: save, free: portFree, kept: map[string]int{}, taken: map[int]string{}}
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

// Take returns the recorded port of name while it is free, else a new one, which it records. Within a run it stays the same.
func (p *File) Take(name string) (int, error) {
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
		port := Low + rand.IntN(High-Low)
		if p.taken[port] != "" || other[port] || !p.free(port) {
			continue
		}
		p.kept[name], p.taken[port] = port, name
		return port, p.save(p.path, p.kept)
	}
	return 0, fmt.Errorf("no free loopback port between %d and %d for %s", Low, High, name)
}

// portFree reports whether this process could listen on the loopback port now.
func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
