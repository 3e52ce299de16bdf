package importer

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// sortBytes are kept in memory; more goes to a file that is deleted in the end.
const sortBytes = 64 << 20

// record is a line and where it belongs.
type record struct {
	at, line int64
	json     []byte
}

// sorter puts records into the order of their time, and those of one time into that in which they came.
type sorter struct {
	limit  int // sortBytes
	now    []record
	bytes  int
	files  []*os.File
	merged runsOf
}

func (s *sorter) add(r record) error {
	s.now = append(s.now, r)
	if s.bytes += len(r.json) + 64; s.bytes < s.limit {
		return nil
	}
	return s.spill()
}

func (s *sorter) sort() {
	slices.SortStableFunc(s.now, func(a, b record) int { return cmp.Compare(a.at, b.at) })
}

// spill writes what is in memory to a file.
func (s *sorter) spill() error {
	s.sort()
	f, err := os.CreateTemp("", "chatctl-import-*")
	if err != nil {
		return fmt.Errorf("sort messages: %w", err)
	}
	s.files = append(s.files, f)
	w := bufio.NewWriter(f)
	var head [20]byte
	for _, r := range s.now {
		binary.BigEndian.PutUint64(head[:], uint64(r.at))
		binary.BigEndian.PutUint64(head[8:], uint64(r.line))
		binary.BigEndian.PutUint32(head[16:], uint32(len(r.json)))
		_, e1 := w.Write(head[:])
		_, e2 := w.Write(r.json)
		if err := errors.Join(e1, e2); err != nil {
			return fmt.Errorf("sort messages: %w", err)
		}
	}
	s.now, s.bytes = nil, 0
	return w.Flush()
}

// begin makes all that was added ready for next.
func (s *sorter) begin() error {
	s.sort()
	for i, f := range s.files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		r := &runOf{from: bufio.NewReaderSize(f, 1<<20), place: i}
		if err := r.read(); err != nil {
			return err
		}
		s.merged = append(s.merged, r)
	}
	if len(s.now) > 0 {
		s.merged = append(s.merged, &runOf{first: s.now[0], left: s.now[1:], place: len(s.files)})
	}
	heap.Init(&s.merged)
	return nil
}

// next returns the earliest record; io.EOF behind the last one.
func (s *sorter) next() (record, error) {
	if len(s.merged) == 0 {
		return record{}, io.EOF
	}
	r := s.merged[0]
	first := r.first
	switch err := r.read(); {
	case errors.Is(err, io.EOF):
		heap.Pop(&s.merged)
	case err != nil:
		return record{}, fmt.Errorf("sort messages: %w", err)
	default:
		heap.Fix(&s.merged, 0)
	}
	return first, nil
}

func (s *sorter) close() (err error) {
	for _, f := range s.files {
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return err
}

// runOf is a sorted part: of a file, or what is left in memory.
type runOf struct {
	first record
	from  *bufio.Reader // nil: left
	left  []record
	place int
}

// read makes the next record the first one.
func (r *runOf) read() error {
	if r.from == nil {
		if len(r.left) == 0 {
			return io.EOF
		}
		r.first, r.left = r.left[0], r.left[1:]
		return nil
	}
	var head [20]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return err
	}
	r.first = record{
		int64(binary.BigEndian.Uint64(head[:])), int64(binary.BigEndian.Uint64(head[8:])), make([]byte, binary.BigEndian.Uint32(head[16:])),
	}
	_, err := io.ReadFull(r.from, r.first.json)
	return err
}

// runsOf is a heap of parts, by their first records.
type runsOf []*runOf

func (r *runsOf) Len() int { return len(*r) }

func (r *runsOf) Less(i, j int) bool {
	a, b := (*r)[i], (*r)[j]
	return cmp.Or(cmp.Compare(a.first.at, b.first.at), cmp.Compare(a.place, b.place)) < 0
}

func (r *runsOf) Swap(i, j int) { (*r)[i], (*r)[j] = (*r)[j], (*r)[i] }

// Push implements heap.Interface.
func (r *runsOf) Push(x any) { *r = append(*r, x.(*runOf)) }

// Pop implements heap.Interface.
func (r *runsOf) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}
