// Package greeting knows how the three servers answer their first bytes, by which one sees that they accept clients.
package greeting

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// Redis accepts any reply but "still loading": a server that asks for a password is up, too.
func Redis(c net.Conn) error {
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

// MySQL reads the greeting: length (3), number (1), then the protocol version, or 0xff for a refusal.
func MySQL(c net.Conn) error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if head[4] != 10 {
		return fmt.Errorf("no MySQL greeting (first byte %#x)", head[4])
	}
	return nil
}

// RabbitMQ opens the protocol; a broker answers with a method frame on channel 0 (Connection.Start).
func RabbitMQ(c net.Conn) error {
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
