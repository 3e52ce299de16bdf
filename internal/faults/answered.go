package faults

// Answered stands for an answer that is taken for granted.
type Answered struct{}

var now = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done is closed from the beginning.
func (Answered) Done() <-chan struct{} { return now }

// Acked is true.
func (Answered) Acked() bool { return true }
