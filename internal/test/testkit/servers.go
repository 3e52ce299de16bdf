package testkit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The variables that say where the real servers of a test run are.
const (
	MySQLVar  = "CHAT_TEST_MYSQL_DSN"
	MySQL8Var = "CHAT_TEST_MYSQL8_DSN"
	RedisVar  = "CHAT_TEST_REDIS_ADDR"
	AMQPVar   = "CHAT_TEST_AMQP_URL"
	// BrokerAPIVar is the HTTP API of the same RabbitMQ, with an administrator: users are made by it.
	BrokerAPIVar = "CHAT_TEST_RABBITMQ_API"
)

func fromEnv(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run `make test`, which starts real servers, or set it to one of your own", name)
	}
	return v
}

// MySQLDSN is the go-sql-driver DSN of an admin user without a database: MariaDB or MySQL.
func MySQLDSN(t testing.TB) string { t.Helper(); return fromEnv(t, MySQLVar) }

// MySQL8DSN is the same for a server that is MySQL proper.
func MySQL8DSN(t testing.TB) string { t.Helper(); return fromEnv(t, MySQL8Var) }

// RedisAddr is host:port of a Redis that the tests share.
func RedisAddr(t testing.TB) string { t.Helper(); return fromEnv(t, RedisVar) }

// AMQPURL is the URL of a RabbitMQ that the tests share.
func AMQPURL(t testing.TB) string { t.Helper(); return fromEnv(t, AMQPVar) }

// BrokerAPI is the URL of RabbitMQ's HTTP API, with an administrator.
func BrokerAPI(t testing.TB) string { t.Helper(); return fromEnv(t, BrokerAPIVar) }

// Database is a private database of a test.
type Database struct {
	Name, Host, Port, User, Password string
	DSN                              string // go-sql-driver's, with the database, parseTime and UTC
	DB                               *sql.DB
}

// FreshDatabase creates an empty database on the server of MySQLDSN; it is dropped when the test ends.
func FreshDatabase(t testing.TB) Database { t.Helper(); return FreshDatabaseOn(t, MySQLDSN(t)) }

// FreshDatabaseOn does the same on another server, given as an admin's DSN without a database.
func FreshDatabaseOn(t testing.TB, dsn string) Database {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("DSN of the test's MySQL: %v", err)
	}
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		t.Fatalf("address in the DSN of the test's MySQL: %v", err)
	}
	name := "t_" + randomName()
	admin, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	execute := func(q string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err := admin.ExecContext(ctx, q)
		return err
	}
	if err := execute("CREATE DATABASE " + name + " CHARACTER SET utf8mb4"); err != nil {
		t.Fatalf("create the test's database: %v", err)
	}
	cfg.DBName, cfg.ParseTime, cfg.Loc = name, true, time.UTC
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute("DROP DATABASE IF EXISTS " + name); err != nil {
			t.Logf("drop the test's database: %v", err)
		}
		_ = db.Close()
		_ = admin.Close()
	})
	return Database{Name: name, Host: host, Port: port, User: cfg.User, Password: cfg.Passwd, DSN: cfg.FormatDSN(), DB: db}
}

// randomName is 16 random lower-case characters.
func randomName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// The ports of FreeAddr lie below those that the kernel gives to outgoing connections, one of which could take a port before its
// process listens, and below those of private servers.
const (
	freeLow  = 10000
	freeHigh = 20000
)

// FreeAddr returns an address on which nobody listens, for a process that is about to. Its UDP port of the same number is
// kept until the test ends: so the kernel gives each address to one test only, of all test binaries that run.
func FreeAddr(t testing.TB) (host, port string) {
	t.Helper()
	for range freeHigh - freeLow {
		host, port = "127.0.0.1", strconv.Itoa(freeLow+mathrand.IntN(freeHigh-freeLow))
		given, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			_ = given.Close()
			continue
		}
		_ = l.Close()
		t.Cleanup(func() { _ = given.Close() })
		return host, port
	}
	t.Fatal("no free port")
	return "", ""
}
