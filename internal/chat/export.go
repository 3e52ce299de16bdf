package chat

// The exports: what there is of a user, or of a room, up to the moment at which it was asked for. There is nothing to do in such a job but to
// remember that moment: its pages are read when they are fetched.
const (
	JobExportUser JobKind = "export_user" // of Job.User
	JobExportRoom JobKind = "export_room" // of Job.Room
)

// Exports reports whether the job is an export.
func (j Job) Exports() bool { return j.Kind == JobExportUser || j.Kind == JobExportRoom }

// ExportedUser is a user with their own id and, if a room was asked about, their membership in it.
type ExportedUser struct {
	User   User
	Own    string // the application's own id; "": none
	Member Member // zero: they were never in the room
}

// ExportedRoom is a room with its own id and, if a user was asked about, their membership in it.
type ExportedRoom struct {
	Room   Room
	Own    string
	Member Member
}
