package operator

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// progressTable is there while a backup is restored: what has to be known of the data that it replaces. A dump doesn't have it.
const progressTable = "restore_progress"

// OpenPatient is Open for statements that take as long as they need.
func OpenPatient(o db.Options) (*Server, error) {
	raw, err := db.OpenPatientServer(o)
	if err != nil {
		return nil, err
	}
	return &Server{pool: raw, name: o.DBName}, nil
}

// BeginRestore notes the highest epoch that any client may have seen, at least the one given, and returns it. A restore that is begun again
// after an interruption keeps the highest.
func (s *Server) BeginRestore(ctx context.Context, above uint64) (uint64, error) {
	if err := s.Create(ctx); err != nil {
		return 0, err
	}
	var rooms sql.NullInt64
	if err := s.one(ctx, "look at the epochs", "SELECT MAX(epoch) FROM "+s.table("rooms"), nil, &rooms); err != nil && !noSchema(err) {
		return 0, err
	}
	above = max(above, uint64(rooms.Int64))
	for _, q := range []string{
		"CREATE TABLE IF NOT EXISTS " + s.table(progressTable) + " (id TINYINT NOT NULL PRIMARY KEY, epoch_above BIGINT UNSIGNED NOT NULL)",
		fmt.Sprintf("INSERT INTO %s VALUES (1, %d) ON DUPLICATE KEY UPDATE epoch_above = GREATEST(epoch_above, %d)", s.table(progressTable), above, above),
	} {
		if _, err := s.pool.ExecContext(ctx, q); err != nil {
			return 0, failed("note the epochs", err)
		}
	}
	err := s.one(ctx, "look at the epochs", "SELECT epoch_above FROM "+s.table(progressTable), nil, &above)
	return above, err
}

// EndRestore forgets what BeginRestore noted.
func (s *Server) EndRestore(ctx context.Context) error {
	_, err := s.pool.ExecContext(ctx, "DROP TABLE IF EXISTS "+s.table(progressTable))
	return failed("end the restore", err)
}

// Load replaces all tables by those of a dump, with one record of the number of partitions: that of a restore. The table by which processes
// know the schema comes last, so that none starts on a part of the data. read is called with the bytes read so far.
func (s *Server) Load(ctx context.Context, dump io.Reader, read func(bytes int64)) error {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return failed("load the dump", err)
	}
	defer conn.Close()
	run := func(q string) error {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return failed("load the dump", fmt.Errorf("%w, in %.80s", err, q))
		}
		return nil
	}
	if err := run("USE " + quoted(s.name)); err != nil {
		return err
	}
	if err := s.dropTables(ctx, conn, run); err != nil {
		return err
	}
	var last []string
	err = Statements(dump, s.name, func(q string, bytes int64) error {
		read(bytes)
		if versionTable.MatchString(q) {
			last = append(last, q)
			return nil
		}
		if err := run(q); err != nil || !metaRows.MatchString(q) {
			return err
		}
		return run("UPDATE meta SET v = CONCAT('" + restoring + "', v) WHERE k = 'partitions' AND v REGEXP '^[0-9]+$'")
	})
	if err != nil {
		return err
	}
	if len(last) == 0 {
		return chat.E(chat.Invalid, "the dump has no table goose_db_version: it isn't one of this service's database")
	}
	for _, q := range last {
		if err := run(q); err != nil {
			return err
		}
	}
	return run("DELETE FROM workers")
}

// versionTable and metaRows find the statements about them.
var (
	versionTable = regexp.MustCompile("^(?:/\\*!\\d+ )?(?:DROP TABLE IF EXISTS|CREATE TABLE|INSERT INTO|ALTER TABLE) `goose_db_version`")
	metaRows     = regexp.MustCompile("^INSERT INTO `meta`")
)

// dropTables drops what the database has, first the table by which processes know the schema.
func (s *Server) dropTables(ctx context.Context, conn *sql.Conn, run func(q string) error) error {
	rows, err := conn.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE'"+
		" ORDER BY table_name <> 'goose_db_version'", s.name)
	if err != nil {
		return failed("list the tables", err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(failed("list the tables", err), rows.Close())
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return failed("list the tables", err)
	}
	for _, name := range names {
		if name == progressTable {
			continue
		}
		if err := run("DROP TABLE " + quoted(name)); err != nil {
			return err
		}
	}
	return nil
}

// Statements hands out the statements of what mariadb-dump or mysqldump wrote, but those that would change another database, the server, or
// its locks; bytes is how far it has read. A dump that is cut off, or of another database, is Invalid.
func Statements(dump io.Reader, name string, fn func(q string, bytes int64) error) error {
	in := bufio.NewReaderSize(dump, 1<<20)
	var q strings.Builder
	var bytes int64
	whole := false
	for {
		line, err := in.ReadString('\n')
		bytes += int64(len(line))
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the dump: %w", err)
		}
		text := strings.TrimRight(line, "\r\n")
		switch {
		case q.Len() == 0 && strings.HasPrefix(text, "-- Dump completed"):
			whole = true
		case q.Len() == 0 && (text == "" || strings.HasPrefix(text, "--") || strings.HasPrefix(text, "/*M!999999")): // for MariaDB's own client
		case strings.HasPrefix(text, "DELIMITER"):
			return chat.E(chat.Invalid, "the dump has triggers or routines: make it without (--skip-triggers, without --routines and --events)")
		default:
			q.WriteString(line)
			if !strings.HasSuffix(text, ";") {
				break
			}
			one := strings.TrimRight(q.String(), ";\r\n")
			q.Reset()
			skip, err := aside(one, name)
			if err == nil && !skip {
				err = fn(one, bytes)
			}
			if err != nil {
				return err
			}
		}
		if err != nil {
			break
		}
	}
	if q.Len() > 0 || !whole {
		return chat.E(chat.Invalid, "the dump is cut off, or was made with --skip-comments: its last line isn't “-- Dump completed”")
	}
	return nil
}

var databaseOf = regexp.MustCompile("^(?:USE|CREATE DATABASE[^`]*|/\\*!40000 DROP DATABASE IF EXISTS) `([^`]+)`")

// aside reports whether a statement of a dump isn't to be run.
func aside(q, name string) (skip bool, err error) {
	if m := databaseOf.FindStringSubmatch(q); m != nil {
		if m[1] != name {
			return false, chat.E(chat.Invalid, "the dump is of the database %s, the installation's is %s: make it without --databases, or set database.dbname", m[1], name)
		}
		return true, nil
	}
	for _, prefix := range []string{
		"LOCK TABLES", "UNLOCK TABLES", "SET @@GLOBAL.GTID_PURGED", "SET @@SESSION.SQL_LOG_BIN", "SET @MYSQLDUMP_TEMP_LOG_BIN",
	} {
		if strings.HasPrefix(q, prefix) {
			return true, nil
		}
	}
	return false, nil
}

// RaiseEpochs raises the epoch of every room, above one.
func (s *Store) RaiseEpochs(ctx context.Context, above uint64) error {
	var q db.Statement
	q.Add("UPDATE rooms SET epoch = GREATEST(epoch, ?) + 1", above)
	return s.d.Tx(ctx, "raise epochs", db.Repeatable, func(tx db.Tx) error {
		_, err := q.Exec(tx)
		return err
	})
}

// Extent is how many rooms and messages there are, and when something was last written in a room.
func (s *Server) Extent(ctx context.Context) (rooms, messages uint64, last time.Time, err error) {
	var at sql.NullString
	err = s.one(ctx, "look at the rooms", "SELECT COUNT(*), COALESCE(SUM(last_seq), 0), DATE_FORMAT(MAX(active_at), '%Y-%m-%d %H:%i:%s') FROM "+s.table("rooms"),
		nil, &rooms, &messages, &at)
	if err == nil && at.Valid {
		last, err = time.Parse(time.DateTime, at.String)
	}
	return rooms, messages, last, err
}
