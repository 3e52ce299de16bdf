package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/chat"
)

// Numbers of errors that callers tell apart, the same on MariaDB and MySQL.
const (
	NoSuchTable    = 1146 // the answer of an empty database
	NoSuchDatabase = 1049
	DatabaseDenied = 1044 // this account may not use, or make, the database
	// PrivilegeDenied: this account lacks a right on the whole server.
	PrivilegeDenied = 1227
)

// Server error numbers, the same on MariaDB and MySQL.
const (
	erDupEntry        = 1062
	erLockWait        = 1205
	erDeadlock        = 1213
	erRecordChanged   = 1020
	erTooManyConns    = 1040
	erShutdown        = 1053
	erPacketTooLarge  = 1153
	erNewAbort        = 1184
	erQueryKilled     = 1317
	erMaxUserConns    = 1226
	erConnKilled      = 1927
	erClientTimeout   = 4031
	erBadNull         = 1048
	erOutOfRange      = 1264
	erTruncated       = 1265
	erWrongValue      = 1366
	erDataTooLong     = 1406
	erBadCharset      = 1300
	erIncorrectString = 1267
	erDiskFull        = 1021
	erWriteFile       = 1026
	erTableFull       = 1114
	erOption          = 1290 // --read-only, as on a replica
	erReadOnlyTx      = 1792
	erReadOnlyMode    = 1836
)

// Number returns the server's error number, or 0 if err didn't come from the server.
func Number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// Duplicate reports whether err means that the named unique key holds the value already.
func Duplicate(err error, key string) bool {
	return Number(err) == erDupEntry && strings.Contains(err.Error(), key)
}

// conflicted reports whether the server rolled the transaction back because of another one: running it again may work.
func conflicted(err error) bool {
	switch Number(err) {
	case erDeadlock, erLockWait, erRecordChanged:
		return true
	}
	return false
}

// RowAtFault reports whether the server refused a value rather than the statement.
func RowAtFault(err error) bool {
	switch Number(err) {
	case erBadNull, erOutOfRange, erTruncated, erWrongValue, erDataTooLong, erBadCharset,
		erIncorrectString, erPacketTooLarge:
		return true
	}
	return errors.Is(err, mysql.ErrPktTooLarge)
}

// lost reports whether the connection was lost, or the server refuses to work just now.
func lost(err error) bool {
	switch Number(err) {
	case erTooManyConns, erShutdown, erNewAbort, erQueryKilled, erMaxUserConns, erConnKilled, erClientTimeout:
		return true
	}
	var ne net.Error
	return refusesWrites(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, mysql.ErrBusyBuffer) || errors.Is(err, mysql.ErrMalformPkt) || errors.Is(err, mysql.ErrPktSync) ||
		errors.As(err, &ne)
}

// noRoom reports whether the server's disk is full. Whatever the road, that is no fault of the request.
func noRoom(err error) bool {
	switch Number(err) {
	case erDiskFull, erWriteFile, erTableFull:
		return true
	}
	return false
}

// refusesWrites reports whether the server is no primary, or no longer.
func refusesWrites(err error) bool {
	switch Number(err) {
	case erOption, erReadOnlyTx, erReadOnlyMode:
		return true
	}
	var e *readOnlyError
	return errors.As(err, &e)
}

// Failed translates an error of the driver into one of package chat and names the verb. Nil stays nil.
func Failed(verb string, err error) error {
	var known *chat.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case noRoom(err), refusesWrites(err):
		return chat.Wrap(chat.Unavailable, fmt.Errorf("%s: %w", verb, err), "the database takes no writes now")
	case lost(err), conflicted(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, sql.ErrTxDone):
		return chat.Wrap(chat.Unavailable, fmt.Errorf("%s: %w", verb, err), "the database can't answer now")
	case Number(err) == NoSuchTable:
		return chat.Wrap(chat.Unavailable, fmt.Errorf("%s: %w (run chatctl migrate)", verb, err), "the database isn't ready")
	default:
		return chat.Wrap(chat.Internal, fmt.Errorf("%s: %w", verb, err), "")
	}
}
