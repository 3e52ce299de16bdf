package line

import (
	"testing"

	"chat-service/internal/envelope"
)

// TestEveryAnnouncementHasARow compares the table of announcers with the registry of announcements.
func TestEveryAnnouncementHasARow(t *testing.T) {
	rows := map[envelope.AnnouncementKind]bool{}
	for _, a := range announcers {
		if rows[a.kind] {
			t.Errorf("%s has two rows", a.kind)
		}
		if a.announce == nil {
			t.Errorf("%s isn't announced", a.kind)
		}
		rows[a.kind] = true
	}
	for _, s := range envelope.Announcements() {
		if !rows[s.Kind] {
			t.Errorf("%s has no row", s.Kind)
		}
		delete(rows, s.Kind)
	}
	for kind := range rows {
		t.Errorf("%s has a row, and is no announcement", kind)
	}
	if announcerOf("of a later release") != nil {
		t.Error("an unknown kind is announced as another one")
	}
}
