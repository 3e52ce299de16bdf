package table

import (
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Announced is a row of outbox.
type Announced struct {
	ID        uint64
	Partition int
	Room      chat.RoomID // 0: of no room
	Seq       chat.Seq    // 0: of no message
	Kind      envelope.AnnouncementKind
	Payload   []byte
	CreatedAt time.Time
}

// Outbox holds what committed writes have to announce.
var Outbox = define("outbox", "o",
	Column[Announced]{Name: "id", Cell: func(a *Announced) Cell { return (*number)(&a.ID) }, Auto: true},
	Column[Announced]{Name: "partition_no", Cell: func(a *Announced) Cell { return (*count)(&a.Partition) }},
	Column[Announced]{Name: "room_id", Cell: func(a *Announced) Cell { return (*number)(&a.Room) }},
	Column[Announced]{Name: "seq", Cell: func(a *Announced) Cell { return (*number)(&a.Seq) }},
	Column[Announced]{Name: "kind", Cell: func(a *Announced) Cell { return (*text)(&a.Kind) }},
	Column[Announced]{Name: "payload", Cell: func(a *Announced) Cell { return (*blob)(&a.Payload) }},
	Column[Announced]{Name: "created_at", Cell: func(a *Announced) Cell { return (*moment)(&a.CreatedAt) }},
)

// Waiting are the announcements as a worker reads them.
var Waiting = Outbox.Only("id", "partition_no", "kind", "payload")

// Dead is a row of dead_commands.
type Dead struct {
	ID uint64
	chat.DeadCommand
	CreatedAt time.Time
}

// DeadCommands are what no worker could carry out.
var DeadCommands = define("dead_commands", "d",
	Column[Dead]{Name: "id", Cell: func(d *Dead) Cell { return (*number)(&d.ID) }, Auto: true},
	Column[Dead]{Name: "partition_no", Cell: func(d *Dead) Cell { return (*count)(&d.Partition) }},
	Column[Dead]{Name: "kind", Cell: func(d *Dead) Cell { return (*text)(&d.Kind) }},
	Column[Dead]{Name: "user_id", Cell: func(d *Dead) Cell { return (*number)(&d.User) }},
	Column[Dead]{Name: "room_id", Cell: func(d *Dead) Cell { return (*number)(&d.Room) }},
	Column[Dead]{Name: "payload", Cell: func(d *Dead) Cell { return (*blob)(&d.Payload) }},
	Column[Dead]{Name: "reason", Cell: func(d *Dead) Cell { return (*text)(&d.Reason) }},
	Column[Dead]{Name: "created_at", Cell: func(d *Dead) Cell { return (*moment)(&d.CreatedAt) }},
)

// Audit is the trail of what was done to accounts and rooms.
var Audit = define("audit", "a",
	Column[chat.Act]{Name: "id", Cell: func(a *chat.Act) Cell { return (*number)(&a.ID) }, Auto: true},
	Column[chat.Act]{Name: "at", Cell: func(a *chat.Act) Cell { return (*moment)(&a.At) }},
	Column[chat.Act]{Name: "kind", Cell: func(a *chat.Act) Cell { return (*text)(&a.Kind) }},
	Column[chat.Act]{Name: "by_whom", Cell: func(a *chat.Act) Cell { return (*text)(&a.By) }},
	Column[chat.Act]{Name: "user_id", Cell: func(a *chat.Act) Cell { return (*number)(&a.User) }},
	Column[chat.Act]{Name: "room_id", Cell: func(a *chat.Act) Cell { return (*number)(&a.Room) }},
	Column[chat.Act]{Name: "session_id", Cell: func(a *chat.Act) Cell { return (*text)(&a.Session) }},
	Column[chat.Act]{Name: "ip", Cell: func(a *chat.Act) Cell { return (*text)(&a.IP) }},
	Column[chat.Act]{Name: "request_id", Cell: func(a *chat.Act) Cell { return (*text)(&a.Request) }},
	Column[chat.Act]{Name: "detail", Cell: func(a *chat.Act) Cell { return (*text)(&a.Detail) }},
)

// DeadHeads are dead commands without their payload, which may be long.
var DeadHeads = DeadCommands.Without("payload")

// Worker is a row of workers, whose times the database writes by its own clock.
type Worker struct {
	Boot     string
	Features string // joined by commas
}

// Workers are the workers that beat.
var Workers = define("workers", "w",
	Column[Worker]{Name: "boot", Cell: func(w *Worker) Cell { return (*text)(&w.Boot) }},
	Column[Worker]{Name: "features", Cell: func(w *Worker) Cell { return (*text)(&w.Features) }},
)

// Live is the worker as the fleet sees it.
func (w Worker) Live() chat.LiveWorker {
	l := chat.LiveWorker{Boot: w.Boot}
	if w.Features != "" {
		l.Features = strings.Split(w.Features, ",")
	}
	return l
}

// Setting is a row of meta.
type Setting struct{ Key, Value string }

// Meta holds what was decided once for an installation.
var Meta = define("meta", "k",
	Column[Setting]{Name: "k", Cell: func(s *Setting) Cell { return (*text)(&s.Key) }},
	Column[Setting]{Name: "v", Cell: func(s *Setting) Cell { return (*text)(&s.Value) }},
)
