package sockets

import "sync"

// retryBound is how many things a retrySet keeps; further ones are left out.
const retryBound = 1 << 16

// retrySet is a bounded set of things that failed and must be tried again; whoever uses it needs another way for what it leaves out.
// Its zero value is empty and ready; it is safe for use by many goroutines.
type retrySet[T comparable] struct {
	mu sync.Mutex
	in map[T]bool
}

// add keeps x, unless too many are kept.
func (s *retrySet[T]) add(x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		s.in = map[T]bool{}
	}
	if len(s.in) < retryBound {
		s.in[x] = true
	}
}

// done forgets x.
func (s *retrySet[T]) done(x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.in, x)
}

// take is done, and reports whether x was kept.
func (s *retrySet[T]) take(x T) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.in[x]
	delete(s.in, x)
	return kept
}

// some returns at most limit of what is kept, in no order.
func (s *retrySet[T]) some(limit int) (list []T) {
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
