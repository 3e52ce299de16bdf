package hub

import "chat-service/internal/faults"

// All that a test build (tag "faults") breaks in the hub on purpose stands here, so that the fault suite can prove
// that it would notice. In a release faults.Planted is a constant, and the compiler removes these branches.

// forgetsLeaves is the bug "skip_membership": a removed user's sockets stay in the room.
func forgetsLeaves() bool { return faults.Planted("skip_membership") }

// skipsChanges is the bug "hub_no_change_gap": a change is delivered although one before it is missing.
func skipsChanges() bool { return faults.Planted("hub_no_change_gap") }

// showsHidden is the bug "show_hidden": changes of messages from before a member joined are shown to them.
func showsHidden() bool { return faults.Planted("show_hidden") }

// stepsOver is the bug "hub_no_gap": a running room delivers an entry although its predecessor is missing.
func (rm *room) stepsOver() bool { return faults.Planted("hub_no_gap") && rm.phase == running }
