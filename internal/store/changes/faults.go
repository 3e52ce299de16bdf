package changes

import (
	"chat-service/internal/faults"
	"chat-service/internal/store/db"
)

// Here is all that a test build (tag "faults") can break in this package. Without the tag, faults.Planted is a constant
// false and these functions say what the product does.

// lookup is how remembered changes are looked up; planted no_change_memory: not at all.
func lookup(q db.Query) db.Query {
	if faults.Planted("no_change_memory") {
		return db.Query{}
	}
	return q
}

// numbersNothing is a planted bug: what changes nothing takes a number all the same.
func numbersNothing() bool { return faults.Planted("number_nothing") }

// countsRecalled is a planted bug: what was recalled counts as unread.
func countsRecalled() bool { return faults.Planted("count_recalled") }
