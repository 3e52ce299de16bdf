package testkit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Redis is a connection with just enough of RESP to inspect and damage the product's data. It is for one goroutine. It shares no code
// with the product, nor its library.
type Redis struct {
	conn net.Conn
	r    *bufio.Reader
}

// ReplyError is an error reply of Redis.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// DialRedis connects to host:port and selects a database.
func DialRedis(addr string, db int) (*Redis, error) {
	r, err := DialSentinel(addr)
	if err != nil {
		return nil, err
	}
	if _, err := r.Do("SELECT", strconv.Itoa(db)); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// DialSentinel connects to host:port, where there are no databases.
func DialSentinel(addr string) (*Redis, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &Redis{conn: conn, r: bufio.NewReader(conn)}, nil
}

// Close ends the connection.
func (r *Redis) Close() error { return r.conn.Close() }

// Do sends one command and returns its reply: string, int64, []any, or nil.
func (r *Redis) Do(args ...string) (any, error) {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	_ = r.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := r.conn.Write(b); err != nil {
		return nil, err
	}
	return r.reply()
}

func (r *Redis) reply() (any, error) {
	line, err := r.r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return nil, errors.Join(err, errors.New("short reply"))
	}
	rest := line[1 : len(line)-2]
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return nil, ReplyError(rest)
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return nil, err
	}
	switch {
	case n < 0:
		return nil, nil
	case line[0] == '$':
		b := make([]byte, n+2)
		_, err := io.ReadFull(r.r, b)
		return string(b[:n]), err
	case line[0] == '*':
		list := make([]any, n)
		for i := range list {
			if list[i], err = r.reply(); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("unknown reply %q", line)
}

// Keys lists the keys that match a pattern, by SCAN.
func (r *Redis) Keys(pattern string) ([]string, error) {
	var keys []string
	for cursor := "0"; ; {
		v, err := r.Do("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")
		if err != nil {
			return nil, err
		}
		pair, ok := v.([]any)
		if !ok || len(pair) != 2 {
			return nil, errors.New("SCAN: unexpected reply")
		}
		found, _ := pair[1].([]any)
		for _, k := range found {
			if s, ok := k.(string); ok {
				keys = append(keys, s)
			}
		}
		if cursor, _ = pair[0].(string); cursor == "0" || cursor == "" {
			return keys, nil
		}
	}
}

// remove unlinks all keys that match the pattern.
func (r *Redis) remove(pattern string) error {
	keys, err := r.Keys(pattern)
	if err != nil || len(keys) == 0 {
		return err
	}
	_, err = r.Do(append([]string{"UNLINK"}, keys...)...)
	return err
}
