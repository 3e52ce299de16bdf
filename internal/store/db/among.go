package db

import (
	"slices"
	"strconv"
	"strings"
)

// Among appends the condition that columns have the values of one of some rows. Those that have the same value in all rows, as the room of a
// batch nearly always, are compared by themselves: both servers plan that in two thirds of the time that they need for longer tuples
// (measured with 64), and a lone row is no tuple.
func (s *Statement) Among(columns []string, rows [][]any) {
	var vary []int
	for i, name := range columns {
		first := rows[0][i]
		if slices.ContainsFunc(rows, func(r []any) bool { return r[i] != first }) {
			vary = append(vary, i)
			continue
		}
		s.Value(name+" = ", first)
		s.Add(" AND ")
	}
	switch len(vary) {
	case 0:
		s.Add("TRUE")
		return
	case 1:
		s.Add(columns[vary[0]] + " IN (")
	default:
		names := make([]string, len(vary))
		for i, v := range vary {
			names[i] = columns[v]
		}
		s.Add("(" + strings.Join(names, ", ") + ") IN (")
	}
	for i, r := range rows {
		if len(vary) == 1 {
			s.Value(Comma(i), r[vary[0]])
			continue
		}
		s.Add(Comma(i) + "(")
		for j, v := range vary {
			s.Value(Comma(j), r[v])
		}
		s.Add(")")
	}
	s.Add(")")
}

// Value appends a text and a value: a number by its digits, which is a fraction of the work of a question mark and an argument.
func (s *Statement) Value(before string, v any) {
	s.text.WriteString(before)
	if n, ok := v.(uint64); ok {
		var digits [20]byte
		s.text.Write(strconv.AppendUint(digits[:0], n, 10))
		return
	}
	s.Add("?", v)
}
