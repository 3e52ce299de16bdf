package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"chat-service/internal/ops/bench/usage"
)

// Progress prints one line about what happens.
type Progress func(format string, args ...any)

// System is what is measured: its addresses and processes.
type System struct {
	API      string   // REST base, http://host:port/api/v1
	Gateways []string // WebSocket URLs, used in turn
	MySQL    string   // DSN of go-sql-driver with the product's database; "" = S7 and the limits of MySQL can't run
	AMQP     string   // broker URL; "" = the limits of RabbitMQ can't run
	// Pids maps every process of the system, including RabbitMQ, MySQL and Redis, to its id; the gateways' names begin with gw.
	Pids func() (map[string]int, error)
	// Restart restarts all processes with their data, at the same addresses. nil = not possible.
	Restart func(context.Context) error
}

// ParseProcs reads "name=pid,name=pid"; several processes of one name get numbers.
func ParseProcs(text string) (map[string]int, error) {
	out := map[string]int{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		pid, err := strconv.Atoi(value)
		if !ok || err != nil || name == "" {
			return nil, fmt.Errorf("processes: %q is not name=pid", part)
		}
		unique := name
		for i := 2; out[unique] != 0; i++ {
			unique = name + strconv.Itoa(i)
		}
		out[unique] = pid
	}
	return out, nil
}

// ReadPids reads a file of names and PIDs, as `chatctl up` keeps it in its run directory.
func ReadPids(path string) (map[string]int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read processes: %w", err)
	}
	pids := map[string]int{}
	if err := json.Unmarshal(b, &pids); err != nil {
		return nil, fmt.Errorf("read processes: %s: %w", path, err)
	}
	return pids, nil
}

// take takes a snapshot of all processes of the system.
func (s System) take() (usage.Snapshot, error) {
	pids, err := s.Pids()
	if err != nil {
		return usage.Snapshot{}, err
	}
	return usage.Take(pids)
}
