// Package sockets keeps what could not be done yet and must be tried again.
//
// It owns a bounded set in memory; it refuses to keep more, so whoever owes needs another way for the rest.
package sockets

import "sync"

// Bound is how many things are kept; further ones are left out.
const Bound = 1 << 16

// Set is a set of things that are owed. Its zero value is empty and ready; it is safe for use by many goroutines.
type Set[T comparable] struct {
	mu sync.Mutex
	in map[T]bool
}

// Add keeps x, unless too many are kept.
func (s *Set[T]) Add(x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		s.in = map[T]bool{}
	}
	if len(s.in) < Bound {
		s.in[x] = true
	}
}

// Done forgets x.
func (s *Set[T]) Done(x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.in, x)
}

// Some returns at most limit of what is owed, in no order.
func (s *Set[T]) Some(limit int) (list []T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.in {
		if len(list) == limit {
			break
		}
		list = append(list, x)
	}
	return list
}
