package protocol

import (
	"bytes"
	"encoding/json"

	"chat-service/internal/chat"
)

// Recall is what a frame shows of a message that was recalled.
type Recall struct {
	Seq       chat.Seq       `json:"seq"`
	ChangeSeq chat.ChangeSeq `json:"change_seq"` // of the message's last change
	Version   uint64         `json:"version"`
	Recalled  *Act           `json:"recalled"`
}

// recalledKey is in every frame of a recalled message, and in few others.
var recalledKey = []byte(`"recalled":{`)

// RecallIn returns the recalled message that a `message` or `change` frame shows; false if it shows none.
func RecallIn(frame []byte) (Recall, bool) {
	if !bytes.Contains(frame, recalledKey) { // which may stand in a message's data, too
		return Recall{}, false
	}
	var f struct {
		Recall
		Message *Recall `json:"message"`
	}
	if json.Unmarshal(frame, &f) != nil {
		return Recall{}, false
	}
	if f.Message != nil {
		f.Recall = *f.Message
	}
	return f.Recall, f.Recalled != nil && f.Seq != 0
}

// AsRecalled returns a `message` or `change` frame, made before the message that it shows was recalled, as it would be made since. A
// frame that shows no message, or a later state of it, is returned as it is.
func AsRecalled(frame []byte, r Recall) []byte {
	var f struct {
		Type    Type            `json:"type"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(frame, &f) != nil {
		return frame
	}
	switch f.Type {
	case TMessage:
		var m struct {
			Type Type `json:"type"`
			Message
		}
		if json.Unmarshal(frame, &m) != nil || m.Seq != r.Seq || m.State != nil && m.State.ChangeSeq >= r.ChangeSeq {
			return frame
		}
		m.Content, m.Data, m.State = "", nil, &State{ChangeSeq: r.ChangeSeq, Version: r.Version, Recalled: r.Recalled}
		return appendJSON(nil, m)
	case TChange:
		var c changeFrame
		if json.Unmarshal(frame, &c) != nil || c.Message == nil || c.Message.Seq != r.Seq || c.Message.ChangeSeq >= r.ChangeSeq {
			return frame
		}
		m := chat.Message{Seq: r.Seq, State: &chat.State{ChangeSeq: r.ChangeSeq, Version: r.Version}}
		c.Message = changedOf(&m, allParts)
		c.Message.Recalled = r.Recalled
		return appendJSON(nil, c)
	}
	return frame
}
