package table

import "chat-service/internal/chat"

// Jobs are what workers do beside commands.
var Jobs = define("jobs", "j",
	Column[chat.Job]{Name: "id", Cell: func(j *chat.Job) Cell { return (*number)(&j.ID) }, Auto: true},
	Column[chat.Job]{Name: "kind", Cell: func(j *chat.Job) Cell { return (*text)(&j.Kind) }},
	Column[chat.Job]{Name: "subject", Cell: func(j *chat.Job) Cell { return (*number)(&j.User) }},
	Column[chat.Job]{Name: "state", Cell: func(j *chat.Job) Cell { return (*text)(&j.State) }},
	Column[chat.Job]{Name: "done", Cell: func(j *chat.Job) Cell { return (*number)(&j.Done) }},
	Column[chat.Job]{Name: "created_at", Cell: func(j *chat.Job) Cell { return (*moment)(&j.CreatedAt) }},
	Column[chat.Job]{Name: "changed_at", Cell: func(j *chat.Job) Cell { return (*moment)(&j.ChangedAt) }},
	Column[chat.Job]{Name: "finished_at", Cell: func(j *chat.Job) Cell { return (*moment)(&j.FinishedAt) }},
	Column[chat.Job]{Name: "error", Cell: func(j *chat.Job) Cell { return (*nullText)(&j.Error) }},
	Column[chat.Job]{Name: "room_id", Cell: func(j *chat.Job) Cell { return (*number)(&j.Room) }},
	Column[chat.Job]{Name: "step", Cell: func(j *chat.Job) Cell { return (*text)(&j.Step) }},
	Column[chat.Job]{Name: "mark", Cell: func(j *chat.Job) Cell { return (*bytes)(&j.Mark) }},
)
