package db

import (
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/chat"
	"chat-service/internal/trust"
)

// Server error numbers of refusals, the same on MariaDB and MySQL.
const (
	erAccessDenied     = 1045
	erAccessNoPassword = 1698
	erHostRefused      = 1130
	erTableDenied      = 1142
	erColumnDenied     = 1143
	erSecureTransport  = 3159
)

// Judge makes an error permanent where waiting doesn't mend it: wrong credentials, a database that is missing, rights that lack. Others
// it returns as they are.
func (d *DB) Judge(err error) error { return Judge(d.o, err) }

// Judge is DB.Judge for who has only the options.
func Judge(o Options, err error) error {
	do := Advice(err)
	if do == "" {
		return err
	}
	return lasting(o, err, do)
}

// Advice says what to do about an error that waiting doesn't mend, "" about others.
func Advice(err error) (do string) {
	switch Number(err) {
	case erAccessDenied, erAccessNoPassword:
		do = "correct database.user and database.password"
	case erHostRefused:
		do = "allow the user to connect from this machine: CREATE USER … @'%' or its address"
	case NoSuchDatabase:
		do = "run chatctl migrate, which creates it, or correct database.dbname"
	case DatabaseDenied, erTableDenied, erColumnDenied:
		do = "give the user the rights (chatctl migrate creates the database, chatctl grants the rights), or correct database.dbname"
	case erSecureTransport:
		do = "set database.tls: true: the server takes encrypted connections only"
	}
	if errors.Is(err, mysql.ErrNoTLS) {
		do = "the server has no TLS: turn it on there, or set " + trust.MySQL.Off
	}
	if do == "" {
		do = trust.MySQL.Do(err)
	}
	return do
}

// Lasting makes an error permanent and says which server it is about.
func (d *DB) Lasting(err error, do string) error { return lasting(d.o, err, do) }

func lasting(o Options, err error, do string) error {
	where := fmt.Sprintf("mysql %s, user %s, database %s", o.primary(), o.User, o.DBName)
	return &chat.PermanentError{Where: where, Do: do, Err: err}
}
