package chat

// Span is a stretch of a room's log, both ends included.
type Span struct {
	Room     RoomID
	From, To Seq
}

// HistoryQuery asks for a stretch of a room's log as one user may see it: Before, After or Around one seq, or a page (1 is the newest)
// if none of them is set.
type HistoryQuery struct {
	Room     RoomID
	User     UserID
	Page     int // 0: 1
	PageSize int // 0: 20
	Before   *Seq
	After    *Seq
	Around   *Seq
	Limit    int // 0: 20; for Before, After and Around
	// MinSeq and MinChanges are what the caller has seen already: a replica that hasn't got so far yet may not answer.
	MinSeq     Seq
	MinChanges ChangeSeq
	// Known, if it isn't nil, is asked for the messages from … to before they are read; page says all but them. false: it doesn't
	// have them all, in the states that belong to page.Changes.
	Known func(page HistoryPage, from, to Seq) ([]Message, bool)
}

// HistoryPage is the answer to a HistoryQuery, ascending by seq.
type HistoryPage struct {
	Messages []Message
	LastSeq  Seq  // the newest seq that the user may see
	HasMore  bool // older messages exist (newer ones if After was asked)
	Epoch    uint64
	Changes  ChangeSeq // the room's, read before the messages: all changes up to here are in them
	Replica  bool      // a replica answered, not the primary
	Ended    bool      // the user is no member any more: LastSeq is where they left
}
