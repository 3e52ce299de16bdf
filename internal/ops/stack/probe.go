package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// probe asks a server, in its own protocol, whether it accepts clients.
func probe(ctx context.Context, k Kind, host string, port int) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	switch k {
	case Redis:
		return probeRedis(c)
	case RabbitMQ:
		return probeRabbitMQ(c)
	default:
		return probeMySQL(c)
	}
}

// reach only reports whether a server given from outside listens: it may speak TLS.
func reach(ctx context.Context, addr string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

// probeRedis accepts any reply but "still loading": a server that asks for a password is up, too.
func probeRedis(c net.Conn) error {
	if _, err := io.WriteString(c, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(line, "-LOADING") {
		return errors.New("still loading its data")
	}
	return nil
}

// probeMySQL reads the greeting: length (3), number (1), then the protocol version, or 0xff for a refusal.
func probeMySQL(c net.Conn) error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if head[4] != 10 {
		return fmt.Errorf("no MySQL greeting (first byte %#x)", head[4])
	}
	return nil
}

// probeRabbitMQ opens the protocol; a broker answers with a method frame on channel 0 (Connection.Start).
func probeRabbitMQ(c net.Conn) error {
	if _, err := io.WriteString(c, "AMQP\x00\x00\x09\x01"); err != nil {
		return err
	}
	head := make([]byte, 11)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if head[0] != 1 || head[8] != 10 || head[10] != 10 {
		return errors.New("no AMQP 0-9-1 greeting")
	}
	return nil
}
