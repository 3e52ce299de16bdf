package line

import "time"

// maxRest is the longest pause after a step.
const maxRest = 10 * time.Millisecond

// Rest is the pause after a step. Who works in batches rests as long as his last step took: the slower the steps, the larger the
// batches, and after a pause longer than a step nothing waits.
func Rest(took time.Duration) time.Duration { return min(took, maxRest) }

// LongRest is twice that, where whoever comes waits once and a crowd shall come in few steps.
func LongRest(took time.Duration) time.Duration { return 2 * Rest(took) }

// Take takes what is at hand with first, and what comes within d, until it counts to most.
func Take[T any](in <-chan T, first T, d time.Duration, most int, count func(*T) int) []T {
	batch, n := []T{first}, count(&first)
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	for n < most {
		var x T
		select {
		case x = <-in:
		default:
			if over == nil {
				return batch
			}
			select {
			case x = <-in:
			case <-over:
				over = nil
				continue
			}
		}
		batch = append(batch, x)
		n += count(&x)
	}
	return batch
}
