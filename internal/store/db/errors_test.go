package db

import (
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/chat"
)

// TestFailed: a server that takes no writes is Unavailable, on the road of REST as on that of sockets.
func TestFailed(t *testing.T) {
	for number, want := range map[uint16]chat.Kind{
		erTableFull: chat.Unavailable, erDiskFull: chat.Unavailable, erReadOnlyMode: chat.Unavailable, erOption: chat.Unavailable,
		erDeadlock: chat.Unavailable, erTooManyConns: chat.Unavailable, NoSuchTable: chat.Unavailable, 1064: chat.Internal,
	} {
		err := Failed("write", fmt.Errorf("insert: %w", &mysql.MySQLError{Number: number}))
		if chat.KindOf(err) != want {
			t.Errorf("%d is %v, want %v", number, chat.KindOf(err), want)
		}
	}
}
