// Package floors holds the structural rules of the project, as tests: which package may import which, what a binary may link,
// how large files and packages may grow, what is kept out of tests.
//
// It owns no product code and nothing imports it. A rule that is broken says what is wrong, where, why the rule is there
// and what to do. An exception is an entry in allow_test.go with its reason; an entry that excuses nothing any more
// fails, too, so the list can only shrink. Every rule is tried on code that breaks it (bite_test.go).
package floors
