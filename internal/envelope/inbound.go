package envelope

// Batch is what a partition's queue delivered: one body of records (see Records), held by the broker until Ack and delivered again
// when the channel that it came on is closed before.
type Batch struct {
	Partition   int    // 0 … P-1
	Gen         uint64 // incarnation of the partition's channel; rises
	Body        []byte // the receiver's to keep
	Redelivered bool   // it was delivered before, perhaps to another process

	// Ack reports that the batch has been handled, from any goroutine and in any order. A second call does nothing.
	Ack func()
	// Live returns false when Ack would do nothing because the channel is gone. Another process may have the batch then: start
	// nothing new for it.
	Live func() bool
}
