//go:build faults

package faults

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// plan is read from the environment once: points like "after_commit=100,before_ack=250" kill the process with SIGKILL at
// that passing of the point; planted is a list of bugs' names.
type plan struct {
	mu      sync.Mutex
	left    map[string]int
	planted map[string]bool
}

var read = sync.OnceValue(func() *plan {
	p := &plan{left: map[string]int{}, planted: map[string]bool{}}
	for _, s := range strings.Split(os.Getenv("CHAT_FAULTS_KILL"), ",") {
		name, n, ok := strings.Cut(s, "=")
		if v, err := strconv.Atoi(n); ok && err == nil {
			p.left[name] = v
		}
	}
	for _, s := range strings.Split(os.Getenv("CHAT_FAULTS_PLANT"), ",") {
		p.planted[s] = true
	}
	return p
})

// Point kills the process where its time has come.
func Point(name string) {
	p := read()
	p.mu.Lock()
	defer p.mu.Unlock()
	n, armed := p.left[name]
	if !armed {
		return
	}
	if n--; n <= 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	p.left[name] = n
}

// Planted tells whether the named bug is to be carried.
func Planted(name string) bool { return name != "" && read().planted[name] }
