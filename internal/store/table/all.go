package table

// All lists the tables with all of their columns.
func All() []Listed {
	return []Listed{
		Meta.listed(), Workers.listed(), Users.listed(), Sessions.listed(), Tokens.listed(), Identities.listed(), Keys.listed(), Rooms.listed(), Members.listed(),
		ExternalRooms.listed(), Messages.listed(), Cursors.listed(), Outbox.listed(), DeadCommands.listed(), Audit.listed(),
		States.listed(), Changes.listed(), Reactions.listed(), Pins.listed(), Recalls.listed(), LeftOver.listed(), Jobs.listed(),
		Webhooks.listed(), WebhookCursors.listed(), UserEvents.listed(), WebhookAttempts.listed(),
	}
}

// Elsewhere names the columns of the schema ("table.column", or "table.*") that no table here lists, and says why.
func Elsewhere() map[string]string {
	return map[string]string{
		"workers.started_at":        "written by the database's own clock, the only one that all workers share; read by operators",
		"workers.beat_at":           "written and compared by the database's own clock",
		"sender_cursors.updated_at": "written beside every change and read by the sweep alone",
		"users.erased_at":           "set once, and asked only before an account is changed (accounts/erase.go)",
		"members.notify":            "of a later release: notification levels",
		"webhooks.swept_at":         "read and written by the walk over rooms alone (webhooks/sweep.go)",
		"webhooks.swept_by":         "the same",
		"webhooks.swept_until":      "the same",
		"room_parts.*":              "an index, written and read by the search for public rooms alone (rooms/search.go)",
		"room_names.*":              "what that index was made from",
	}
}
