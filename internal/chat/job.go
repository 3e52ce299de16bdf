package chat

import (
	"strconv"
	"time"
)

// JobID names a job.
type JobID uint64

// JobKind says what a job does.
type JobKind string

// JobErase takes away all that a user wrote and was.
const JobErase JobKind = "erase"

// JobState says how far a job is.
type JobState string

// The states.
const (
	JobWaiting JobState = "waiting"
	JobRunning JobState = "running"
	JobDone    JobState = "done"
)

// Job is work that takes longer than a call: workers do it in steps, each a transaction that also says where the next one goes on. So it
// survives every process.
type Job struct {
	ID         JobID
	Kind       JobKind
	User       UserID // whom it is about
	State      JobState
	Done       uint64 // how much was done: messages, reactions
	CreatedAt  time.Time
	ChangedAt  time.Time // when the last step was done or failed
	FinishedAt time.Time // zero: it isn't
	Error      string    // why the last step failed; "": it didn't

	// Where the next step goes on: in which room, what it does there, and after what. Room is the last one that is done if Step is "".
	Room RoomID
	Step EraseStep
	Mark string
}

// EraseStep is a part of what an erasure does in a room, in this order.
type EraseStep string

// The steps.
const (
	EraseMessages  EraseStep = "messages"  // recall the user's messages, and take their hashes
	EraseReactions EraseStep = "reactions" // take their reactions from others' messages
	EraseRest      EraseStep = "rest"      // take the hashes of the changes that they asked for, and what they reacted with
)

// ErasedName is the nickname of an account whose user was erased.
const ErasedName = "Deleted user"

// ErasedUsername is the username of such an account: nobody can register it.
func ErasedUsername(id UserID) string { return "~erased-" + id.String() }

// String returns the decimal form.
func (id JobID) String() string { return strconv.FormatUint(uint64(id), 10) }
