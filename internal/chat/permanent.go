package chat

import (
	"errors"
	"fmt"
)

// PermanentError is a failure of a server that waiting doesn't mend: a wrong password, a missing database, a queue of another type.
type PermanentError struct {
	Where string // server, user and what else tells which one it is; never a password
	Do    string // what an operator does about it
	Err   error
}

// Error says where, what and what to do.
func (p *PermanentError) Error() string { return fmt.Sprintf("%s: %v: %s", p.Where, p.Err, p.Do) }

// Unwrap returns the cause.
func (p *PermanentError) Unwrap() error { return p.Err }

// Permanent marks it for those who know errors by what they can do.
func (*PermanentError) Permanent() bool { return true }

// AsPermanent returns the PermanentError in err, nil if there is none.
func AsPermanent(err error) *PermanentError {
	var p *PermanentError
	if errors.As(err, &p) {
		return p
	}
	return nil
}
