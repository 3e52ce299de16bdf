package chat

// LiveWorker is a worker process whose last beat is recent enough.
type LiveWorker struct {
	Boot     string   // names one start of the process
	Features []string // what it can do beyond the first edition, ascending
}

// Boots returns the workers' boots, in their order.
func Boots(ws []LiveWorker) []string {
	boots := make([]string, len(ws))
	for i, w := range ws {
		boots[i] = w.Boot
	}
	return boots
}

// DeadCommand is a command that kept failing and was taken out of its partition, for an operator to look at.
type DeadCommand struct {
	Partition int
	Kind      string
	User      UserID
	Room      RoomID
	Payload   []byte // the record, as it was on the bus
	Reason    string
}
