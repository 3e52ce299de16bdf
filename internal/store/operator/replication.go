package operator

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Replication is what a server says of its own replication.
type Replication struct {
	Source    string        // host:port of the server that it reads from; "": it reads from nobody
	SourceID  string        // server_id of that
	Receiving bool          // it gets what the source writes
	Applying  bool          // and carries it out
	Behind    time.Duration // how far it is behind; not known while one of both stands
	Error     string        // why one of both stands
}

// Replication asks a server what it replicates, from its first source if it has several. It is of kind Forbidden where the account may
// not ask (REPLICATION CLIENT; MariaDB: REPLICA MONITOR).
func (s *Server) Replication(ctx context.Context) (r Replication, err error) {
	rows, err := s.pool.QueryContext(ctx, "SHOW REPLICA STATUS")
	switch {
	case db.Number(err) == db.PrivilegeDenied:
		return r, chat.Wrap(chat.Forbidden, err, "the account may not ask for the state of replication")
	case err != nil:
		return r, failed("ask for the state of replication", err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return r, failed("ask for the state of replication", errOr(err, rows.Err()))
	}
	cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	if err := rows.Scan(into...); err != nil {
		return r, failed("ask for the state of replication", err)
	}
	said := map[string]string{}
	for i, name := range names {
		said[name] = cells[i].String
	}
	return replicationOf(said), failed("ask for the state of replication", rows.Err())
}

func errOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// replicationOf reads a row, with MySQL's names or MariaDB's.
func replicationOf(said map[string]string) Replication {
	first := func(names ...string) string {
		for _, n := range names {
			if said[n] != "" {
				return said[n]
			}
		}
		return ""
	}
	r := Replication{
		Source:    net.JoinHostPort(first("Source_Host", "Master_Host"), first("Source_Port", "Master_Port")),
		SourceID:  first("Source_Server_Id", "Master_Server_Id"),
		Receiving: first("Replica_IO_Running", "Slave_IO_Running") == "Yes",
		Applying:  first("Replica_SQL_Running", "Slave_SQL_Running") == "Yes",
		Error:     first("Last_IO_Error", "Last_SQL_Error", "Replica_IO_State", "Slave_IO_State"),
	}
	var seconds int64
	if _, err := fmt.Sscan(first("Seconds_Behind_Source", "Seconds_Behind_Master"), &seconds); err == nil {
		r.Behind = time.Duration(seconds) * time.Second
	}
	return r
}
