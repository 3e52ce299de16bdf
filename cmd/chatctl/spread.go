package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// deadAfter is the silence after which workers consider each other dead.
const deadAfter = 3 * time.Second

// spread is the assignment of partitions to workers.
type spread struct {
	Workers    []workerShare    `json:"workers"`
	Partitions []partitionShare `json:"partitions"`
}

type workerShare struct {
	Boot    string `json:"boot"`
	Owns    int    `json:"owns"`
	Standby int    `json:"standby"`
}

type partitionShare struct {
	Partition int    `json:"partition"`
	Owner     string `json:"owner,omitempty"`
	Standby   string `json:"standby,omitempty"`
	Outbox    bool   `json:"outbox_waiting"`
	// Consumers of the partition's queue; −1: there is no queue, nil: RabbitMQ can't be asked.
	Consumers *int `json:"consumers,omitempty"`
}

// spreadOf computes the assignment as the workers do.
func spreadOf(ctx context.Context, db *store.Store, partitions int) (spread, error) {
	boots, err := db.Operator.Workers(ctx, deadAfter)
	if err != nil {
		return spread{}, err
	}
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	waiting, err := db.Outbox.OutboxWaiting(ctx, all)
	if err != nil {
		return spread{}, err
	}
	return newSpread(chat.Boots(boots), waiting, partitions), nil
}

func newSpread(boots []string, waiting []int, partitions int) spread {
	sp := spread{Workers: make([]workerShare, len(boots)), Partitions: make([]partitionShare, partitions)}
	at := map[string]int{}
	for i, b := range boots {
		sp.Workers[i].Boot, at[b] = b, i
	}
	for p, a := range chat.Assign(boots, partitions) {
		sp.Partitions[p] = partitionShare{Partition: p, Owner: a.Owner, Standby: a.Standby, Outbox: slices.Contains(waiting, p)}
		if a.Owner != "" {
			sp.Workers[at[a.Owner]].Owns++
		}
		if a.Standby != "" {
			sp.Workers[at[a.Standby]].Standby++
		}
	}
	return sp
}

// doUnattended says what to do where an owner doesn't consume.
const doUnattended = "read the workers' logs and /readyz: which of them is refused by RabbitMQ, or can't reach it?"

// attend adds how many consumers RabbitMQ counts.
func (sp spread) attend(ctx context.Context, in *installation) error {
	o, err := in.brokerOptions()
	if err != nil {
		return err
	}
	o.Partitions = len(sp.Partitions)
	counts, err := broker.Attended(ctx, o)
	for i := range counts {
		sp.Partitions[i].Consumers = &counts[i]
	}
	return err
}

// unattended lists the partitions that have an owner and no consumer.
func (sp spread) unattended() (ps []int) {
	for _, p := range sp.Partitions {
		if p.Owner != "" && p.Consumers != nil && *p.Consumers < 1 {
			ps = append(ps, p.Partition)
		}
	}
	return ps
}

func numbers(ns []int) string { return strings.Trim(fmt.Sprint(ns), "[]") }

func (sp spread) workerRows() [][]string {
	rows := [][]string{{"WORKER", "OWNS", "STANDBY"}}
	for _, w := range sp.Workers {
		rows = append(rows, []string{w.Boot, strconv.Itoa(w.Owns), strconv.Itoa(w.Standby)})
	}
	return rows
}

func (sp spread) partitionRows() [][]string {
	rows := [][]string{{"PARTITION", "OWNER", "STANDBY", "OUTBOX", "CONSUMERS"}}
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
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
