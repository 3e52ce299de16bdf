package backend

import (
	"net/http"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// JobView is work that goes on after its call was answered.
type JobView struct {
	ID         chat.JobID    `json:"id"`
	Kind       chat.JobKind  `json:"kind"`
	UserID     chat.UserID   `json:"user_id,omitempty" doc:"whom it is about"`
	RoomID     chat.RoomID   `json:"room_id,omitempty" doc:"which room it is about"`
	State      chat.JobState `json:"state" doc:"waiting, running or done"`
	Done       uint64        `json:"done" doc:"how much was done: of an erasure, messages and reactions; of an export nothing need be done"`
	CreatedAt  string        `json:"created_at"`
	ChangedAt  string        `json:"changed_at" doc:"when its last step was done"`
	FinishedAt string        `json:"finished_at,omitempty"`
	Error      string        `json:"error,omitempty" doc:"why the last step failed; it is tried again"`
}

func jobView(j chat.Job) JobView {
	v := JobView{
		ID: j.ID, Kind: j.Kind, UserID: j.User, State: j.State, Done: j.Done, CreatedAt: chat.FormatTime(j.CreatedAt), ChangedAt: chat.FormatTime(j.ChangedAt),
		Error: j.Error,
	}
	if j.Exports() {
		v.RoomID = j.Room
	}
	if !j.FinishedAt.IsZero() {
		v.FinishedAt = chat.FormatTime(j.FinishedAt)
	}
	return v
}

// endUser shuts an account, or starts to erase its user.
func (v *Verbs) endUser(c *server.Call) error {
	q := c.Query()
	erase := q.Text("erase") == "true"
	if err := q.Check.Err(); err != nil {
		return err
	}
	u, err := v.named(c)
	if err != nil {
		return err
	}
	if !erase {
		err = v.ports.Wardens.DisableUser(c.Ctx, u.ID)
		v.opts.Live.ForgetUser(u.ID)
		return c.Gone(err)
	}
	j, _, err := v.ports.Jobs.StartErase(c.Ctx, u.ID)
	if v.opts.Live.ForgetUser(u.ID); err != nil {
		return err
	}
	return c.Reply(http.StatusAccepted, jobView(j))
}

// showJob shows how far a job is.
func (v *Verbs) showJob(c *server.Call) error {
	j, err := v.ports.Jobs.Job(c.Ctx, c.Job)
	if err != nil {
		return err
	}
	c.Target = j.User
	return c.OK(jobView(j))
}
