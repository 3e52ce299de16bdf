package spread

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/broker/queues"
	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// DeadAfter is the silence after which workers consider each other dead.
const DeadAfter = 3 * time.Second

// Spread is the assignment of partitions to workers.
type Spread struct {
	Workers    []WorkerShare    `json:"workers"`
	Partitions []PartitionShare `json:"partitions"`
}

// WorkerShare is how many partitions one worker has.
type WorkerShare struct {
	Boot    string `json:"boot"`
	Owns    int    `json:"owns"`
	Standby int    `json:"standby"`
}

// PartitionShare is who has one partition.
type PartitionShare struct {
	Partition int    `json:"partition"`
	Owner     string `json:"owner,omitempty"`
	Standby   string `json:"standby,omitempty"`
	Outbox    bool   `json:"outbox_waiting"`
	// Consumers of the partition's queue; −1: there is no queue, nil: RabbitMQ can't be asked.
	Consumers *int `json:"consumers,omitempty"`
}

// Of computes the assignment of the live workers, as the workers do.
func Of(ctx context.Context, db *store.Store, partitions int) (Spread, error) {
	boots, err := db.Operator.Workers(ctx, DeadAfter)
	if err != nil {
		return Spread{}, err
	}
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	waiting, err := db.Outbox.OutboxWaiting(ctx, all)
	if err != nil {
		return Spread{}, err
	}
	return New(chat.Boots(boots), waiting, partitions), nil
}

// New computes the assignment for given workers; waiting are the partitions with outbox rows.
func New(boots []string, waiting []int, partitions int) Spread {
	sp := Spread{Workers: make([]WorkerShare, len(boots)), Partitions: make([]PartitionShare, partitions)}
	at := map[string]int{}
	for i, b := range boots {
		sp.Workers[i].Boot, at[b] = b, i
	}
	for p, a := range chat.Assign(boots, partitions) {
		sp.Partitions[p] = PartitionShare{Partition: p, Owner: a.Owner, Standby: a.Standby, Outbox: slices.Contains(waiting, p)}
		if a.Owner != "" {
			sp.Workers[at[a.Owner]].Owns++
		}
		if a.Standby != "" {
			sp.Workers[at[a.Standby]].Standby++
		}
	}
	return sp
}

// Boots lists the workers.
func (sp Spread) Boots() (boots []string) {
	for _, w := range sp.Workers {
		boots = append(boots, w.Boot)
	}
	return boots
}

// DoUnattended says what to do where an owner doesn't consume.
const DoUnattended = "read the workers' logs and /readyz: which of them is refused by RabbitMQ, or can't reach it?"

// Attend adds how many consumers RabbitMQ counts.
func (sp Spread) Attend(ctx context.Context, o broker.Options) error {
	o.Partitions = len(sp.Partitions)
	all, err := queues.Look(ctx, o)
	if err != nil {
		return err
	}
	for i, q := range all {
		n := q.Consumers
		if !q.There {
			n = -1
		}
		sp.Partitions[i].Consumers = &n
	}
	return nil
}

// Unattended lists the partitions that have an owner and no consumer.
func (sp Spread) Unattended() (ps []int) {
	for _, p := range sp.Partitions {
		if p.Owner != "" && p.Consumers != nil && *p.Consumers < 1 {
			ps = append(ps, p.Partition)
		}
	}
	return ps
}

// Numbers are those of partitions, for a sentence.
func Numbers(ns []int) string { return strings.Trim(fmt.Sprint(ns), "[]") }

// WorkerRows is the table of workers, its head first.
func (sp Spread) WorkerRows() [][]string {
	rows := [][]string{{"WORKER", "OWNS", "STANDBY"}}
	for _, w := range sp.Workers {
		rows = append(rows, []string{w.Boot, strconv.Itoa(w.Owns), strconv.Itoa(w.Standby)})
	}
	return rows
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// PartitionRows is the table of partitions, its head first.
func (sp Spread) PartitionRows() [][]string {
	rows := [][]string{{"PARTITION", "OWNER", "STANDBY", "OUTBOX", "CONSUMERS"}}
	for _, p := range sp.Partitions {
		outbox := "empty"
		if p.Outbox {
			outbox = "waiting"
		}
		consumers := "?"
		if p.Consumers != nil {
			consumers = strconv.Itoa(max(*p.Consumers, 0))
		}
		rows = append(rows, []string{strconv.Itoa(p.Partition), dash(p.Owner), dash(p.Standby), outbox, consumers})
	}
	return rows
}
