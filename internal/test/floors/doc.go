// Package floors holds the rules of the project's form, as tests: who may import whom, which binary may link what, how
// long things may grow, what must be documented.
//
// It owns no product code and nothing imports it. A rule that is broken says what is wrong, where, why the rule is there
// and what to do. An exception is an entry in allow_test.go with its reason; an entry that excuses nothing any more
// fails too, so the list can only shrink. Every rule is tried on code that breaks it.
package floors
