package chat

import (
	"hash/fnv"
	"slices"
)

// Assignment says who consumes a partition: the owner, and the standby that takes over when the owner's channel closes
// ("" if there is one worker only).
type Assignment struct{ Owner, Standby string }

// Assign spreads p partitions over the workers: each partition goes to its highest rendezvous rank that still has room,
// which is for ⌊p/n⌋ partitions, and for one more at the first p mod n workers that take it. The standby is the next in rank.
// Every worker computes the same from the same list.
func Assign(workers []string, p int) []Assignment {
	out := make([]Assignment, p)
	n := len(workers)
	if n == 0 {
		return out
	}
	base, extra := p/n, p%n
	load := make(map[string]int, n)
	rank := slices.Clone(workers)
	for i := range out {
		slices.SortFunc(rank, func(a, b string) int {
			if x, y := score(a, i), score(b, i); x != y {
				if x > y {
					return -1
				}
				return 1
			}
			if a < b {
				return -1
			}
			return 1
		})
		for j, w := range rank {
			if load[w] > base || load[w] == base && extra == 0 {
				continue
			}
			if load[w] == base {
				extra--
			}
			load[w]++
			out[i].Owner = w
			if n > 1 {
				out[i].Standby = rank[(j+1)%n]
			}
			break
		}
	}
	return out
}

func score(worker string, partition int) int {
	h := fnv.New64a()
	h.Write([]byte(worker))
	return PartitionOf(h.Sum64()^uint64(partition)<<32, 1<<62)
}
