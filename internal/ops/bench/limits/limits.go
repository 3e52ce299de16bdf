package limits

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"
)

const (
	parts       = 4    // inbound queues
	unconfirmed = 2000 // AMQP messages that are not confirmed yet, per publisher
	recordBytes = 250  // per application message
	textBytes   = 128  // per row
	schema      = "chat_bench_limits"
	prefix      = "bench.limits."
	ackEvery    = 100
)

// hops is the two-hop measurement in progress. Publishers block while a window of theirs is unconfirmed.
type hops struct {
	con   *amqp.Connection
	batch int
	body  []byte
	out   atomic.Int64
	g     errgroup.Group
}

// TwoHops returns how many application messages per second pass, batch of them per AMQP message.
func TwoHops(ctx context.Context, url, queueType string, batch int, d time.Duration) (rate float64, err error) {
	con, err := amqp.Dial(url)
	if err != nil {
		return 0, err
	}
	h := &hops{con: con, batch: batch, body: make([]byte, recordBytes*batch)}
	queues, err := h.declare(queueType)
	if err != nil {
		return 0, errors.Join(err, con.Close())
	}
	run, stop := context.WithCancel(ctx)
	for _, q := range queues[1:] {
		if err = errors.Join(h.relay(q, queues[0]), h.publish(run, q)); err != nil {
			break
		}
	}
	if err == nil {
		err = h.consume(queues[0])
	}
	if err == nil && pause(ctx, d/2) {
		n, t := h.out.Load(), time.Now()
		pause(ctx, d)
		rate = float64(h.out.Load()-n) / time.Since(t).Seconds()
	}
	stop()
	err = errors.Join(err, ctx.Err(), con.Close())
	return rate, errors.Join(err, h.g.Wait(), dropQueues(url, queues))
}

// declare creates the delivery queue and the inbound ones.
func (h *hops) declare(queueType string) (names []string, err error) {
	ch, err := h.con.Channel()
	if err != nil {
		return nil, err
	}
	names = append(names, prefix+"out")
	if _, err := ch.QueueDeclare(names[0], false, false, false, false, amqp.Table{"x-queue-type": "classic"}); err != nil {
		return nil, err
	}
	for p := range parts {
		q := fmt.Sprintf("%sin.%s.%d", prefix, queueType, p)
		if _, err := ch.QueueDeclare(q, true, false, false, false, amqp.Table{"x-queue-type": queueType}); err != nil {
			return nil, err
		}
		names = append(names, q)
	}
	return names, ch.Close()
}

// publish sends persistent messages and keeps a window unconfirmed.
func (h *hops) publish(ctx context.Context, queue string) error {
	ch, err := h.con.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, unconfirmed))
	window := make(chan struct{}, unconfirmed)
	h.g.Go(func() error {
		for range confirms {
			<-window
		}
		return nil
	})
	h.g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case window <- struct{}{}:
			}
			msg := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: h.body}
			err := ch.PublishWithContext(ctx, "", queue, false, false, msg)
			switch {
			case err == nil:
			case ctx.Err() != nil || errors.Is(err, amqp.ErrClosed):
				return nil //nolint:nilerr // caused by the end of the measurement
			default:
				return err
			}
		}
	})
	return nil
}

// relay is the worker's part: consume, publish with a confirm, acknowledge in bulk.
func (h *hops) relay(from, to string) error {
	ch, err := h.con.Channel()
	if err != nil {
		return err
	}
	out, err := h.con.Channel()
	if err != nil {
		return err
	}
	if err := out.Confirm(false); err != nil {
		return err
	}
	confirms := out.NotifyPublish(make(chan amqp.Confirmation, unconfirmed))
	h.g.Go(func() error {
		for range confirms { // drained, so that the library never blocks
		}
		return nil
	})
	return h.each(ch, from, func(d amqp.Delivery) error {
		return out.Publish("", to, false, false, amqp.Publishing{Body: d.Body})
	})
}

// consume is the gateway's part.
func (h *hops) consume(queue string) error {
	ch, err := h.con.Channel()
	if err != nil {
		return err
	}
	return h.each(ch, queue, func(amqp.Delivery) error {
		h.out.Add(int64(h.batch))
		return nil
	})
}

func (h *hops) each(ch *amqp.Channel, queue string, do func(amqp.Delivery) error) error {
	if err := ch.Qos(unconfirmed/2, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	h.g.Go(func() error {
		n := 0
		for d := range deliveries {
			err := do(d)
			if n++; err == nil && (n%ackEvery == 0 || len(deliveries) == 0) {
				err = d.Ack(true)
			}
			if err != nil && !errors.Is(err, amqp.ErrClosed) {
				return err
			}
		}
		return nil
	})
	return nil
}

func dropQueues(url string, names []string) error {
	con, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	ch, err := con.Channel()
	for _, q := range names {
		if err == nil {
			_, err = ch.QueueDelete(q, false, false, false)
		}
	}
	return errors.Join(err, con.Close())
}

const table = `CREATE TABLE ` + schema + `.messages (room_id BIGINT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL, sender_id BIGINT UNSIGNED NOT NULL,
	client_msg_id VARBINARY(36) NOT NULL, content MEDIUMTEXT NOT NULL, created_at DATETIME(6) NOT NULL,
	PRIMARY KEY (room_id, seq), UNIQUE KEY (room_id, sender_id, client_msg_id)) ENGINE=InnoDB`

// Inserts measures rows per second into a table of the product's shape, in a schema of its own.
func Inserts(ctx context.Context, db *sql.DB, rows, writers int, d time.Duration) (rate float64, err error) {
	for _, q := range []string{"DROP DATABASE IF EXISTS " + schema, "CREATE DATABASE " + schema, table} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return 0, err
		}
	}
	var total, seq atomic.Int64
	begin := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for range writers {
		g.Go(func() error {
			for time.Since(begin) < d {
				if err := insertRows(gctx, db, rows, &seq); err != nil {
					return err
				}
				total.Add(int64(rows))
			}
			return nil
		})
	}
	err = g.Wait()
	rate = float64(total.Load()) / time.Since(begin).Seconds()
	_, dropErr := db.ExecContext(ctx, "DROP DATABASE "+schema)
	return rate, errors.Join(err, dropErr)
}

func insertRows(ctx context.Context, db *sql.DB, rows int, seq *atomic.Int64) error {
	content := strings.Repeat("x", textBytes)
	args := make([]any, 0, rows*5)
	for range rows {
		s := seq.Add(1)
		args = append(args, s%100, s, s%1000, fmt.Sprintf("%032d", s), content)
	}
	q := "INSERT INTO " + schema + ".messages VALUES " + //nolint:gosec // placeholders alone
		strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,NOW(6)),", rows), ",")
	_, err := db.ExecContext(ctx, q, args...)
	return err
}

// pause waits for d; false means that ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
