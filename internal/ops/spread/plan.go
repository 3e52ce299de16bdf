package spread

import (
	"slices"
	"strconv"

	"chat-service/internal/chat"
)

// Plan is what a change of workers would do to the partitions.
type Plan struct {
	Before []WorkerShare `json:"before"`
	After  []WorkerShare `json:"after"`
	Moves  []Move        `json:"moves"`
	// Standbys is how many partitions get another standby: nobody notices that.
	Standbys int `json:"standbys_changed"`
}

// Move is a partition that gets another owner.
type Move struct {
	Partition int    `json:"partition"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	// Ready: the new owner stands by already, so that it goes on within a moment.
	Ready bool `json:"stood_by"`
}

// Change compares the assignments to two sets of workers.
func Change(before, after []string, partitions int) Plan {
	p := Plan{Before: New(before, nil, partitions).Workers, After: New(after, nil, partitions).Workers, Moves: []Move{}}
	was, is := chat.Assign(before, partitions), chat.Assign(after, partitions)
	for i := range partitions {
		if was[i].Owner != is[i].Owner {
			p.Moves = append(p.Moves, Move{Partition: i, From: was[i].Owner, To: is[i].Owner, Ready: is[i].Owner != "" && is[i].Owner == was[i].Standby})
		}
		if was[i].Standby != is[i].Standby {
			p.Standbys++
		}
	}
	return p
}

// Rows is the table of workers before and after, its head first.
func (p Plan) Rows() [][]string {
	rows := [][]string{{"WORKER", "OWNS NOW", "WOULD OWN"}}
	owns := func(list []WorkerShare, boot string) string {
		i := slices.IndexFunc(list, func(w WorkerShare) bool { return w.Boot == boot })
		if i < 0 {
			return "-"
		}
		return strconv.Itoa(list[i].Owns)
	}
	var boots []string
	for _, w := range slices.Concat(p.Before, p.After) {
		boots = append(boots, w.Boot)
	}
	slices.Sort(boots)
	for _, b := range slices.Compact(boots) {
		rows = append(rows, []string{b, owns(p.Before, b), owns(p.After, b)})
	}
	return rows
}

// MoveRows is the table of partitions that move, its head first.
func (p Plan) MoveRows() [][]string {
	rows := [][]string{{"PARTITION", "FROM", "TO", "STANDS BY NOW"}}
	for _, m := range p.Moves {
		ready := "no"
		if m.Ready {
			ready = "yes"
		}
		rows = append(rows, []string{strconv.Itoa(m.Partition), dash(m.From), dash(m.To), ready})
	}
	return rows
}
