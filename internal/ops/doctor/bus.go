package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/ops/spread"
	"chat-service/internal/state"
	"chat-service/internal/trust"
)

// redis checks every server that the configuration names.
func (x *examination) redis(ctx context.Context) {
	st, err := x.OpenState()
	if err != nil {
		x.r.fail("correct it in "+x.Source(), "%v", err)
		return
	}
	defer st.Close()
	where := strings.Join(x.Redis.Addresses(), ", ")
	if l, err := st.Layout(ctx); err == nil {
		x.judgeRedis(l, where)
		if l.Cluster && l.Bare > 0 {
			return // what else is asked fails at the node that is down
		}
	}
	warnings, err := st.Check(ctx)
	switch {
	case chat.KindOf(err) == chat.Invalid:
		x.r.fail("redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration file", "%v", err)
	case chat.AsPermanent(err) != nil:
		lasting := chat.AsPermanent(err)
		x.r.fail(lasting.Do, "%s (from %s): %v; meanwhile messages flow and presence is unknown", lasting.Where, x.Source(), lasting.Err)
		return
	case err != nil:
		do := "start it, or correct redis.host, port and password"
		if x.Redis.TLS || x.Redis.TLSCA != "" {
			do += "; if this port speaks no TLS, correct redis.port or turn redis.tls off" + wantsCertificate("redis", x.Redis.TLSCert)
		}
		x.r.fail(do+"; meanwhile messages flow and presence is unknown", "%s (from %s): %v", where, x.Source(), err)
		return
	default:
		for _, w := range warnings {
			x.r.warn("check it with redis-cli CONFIG GET maxmemory-policy", "%s: %s", where, w)
		}
		if len(warnings) == 0 {
			x.r.ok("%s: maxmemory-policy is noeviction", where)
		}
	}
	x.redisVersion(ctx, st, where)
	live, lapsed, err := st.Leases(ctx)
	switch {
	case err != nil:
		x.r.fail("see the server's log", "leases: %v", err)
	case len(lapsed) > 0:
		x.r.warn("workers remove them within seconds; if they stay, check the workers", "%d gateways are running, %d have stopped without notice", len(live), len(lapsed))
	default:
		x.r.ok("%d gateways are running", len(live))
	}
}

// redisVersion checks the server's version.
func (x *examination) redisVersion(ctx context.Context, st *state.State, where string) {
	v, err := st.Version(ctx)
	switch {
	case err != nil:
		x.r.warn("check it with redis-cli INFO server", "%s: version unknown: %v", where, err)
	case !atLeast(v, 7, 0):
		x.r.fail("upgrade to Redis 7 or newer, or Valkey", "%s: version %s", where, v)
	default:
		x.r.ok("%s: version %s", where, v)
	}
}

// wantsCertificate is advice for a connection that ended after the handshake: a server that misses our certificate says so in an alert,
// which may be lost when it closes the connection.
func wantsCertificate(section, cert string) string {
	if cert != "" {
		return "; if it doesn't accept the certificate, correct " + section + ".tls_cert and " + section + ".tls_key"
	}
	return "; if it asks for a certificate, set " + section + ".tls_cert and " + section + ".tls_key"
}

// dialPlain connects within ctx, encrypted where security is given.
func dialPlain(ctx context.Context, addr string, security *tls.Config) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if security == nil {
		return c, nil
	}
	security = security.Clone()
	if security.ServerName == "" {
		security.ServerName, _, _ = net.SplitHostPort(addr)
	}
	t := tls.Client(c, security)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return t, nil
}

// rabbitmq checks the broker: first its nodes' versions, which they send before any login, then as a publisher, then the cluster.
func (x *examination) rabbitmq(ctx context.Context) {
	version, answer := x.greet(ctx)
	if answer == 0 {
		return
	}
	defer x.cluster(ctx, version, answer)
	switch {
	case x.recorded != 0 && x.recorded != x.RabbitMQ.Partitions:
		x.r.warn("correct the partitions first", "login and queues were not checked: the configuration and the installation have different numbers of partitions")
	case x.recorded == 0 && !x.o.Declare:
		x.r.warn("run doctor again once a process has run, or now with --declare", "login and queues were not checked: no process has run yet (or MySQL was not reachable), and checking would create the queues")
	default:
		if x.publishing(ctx) {
			x.attended(ctx)
		}
	}
}

// greet asks every address for its version, and returns the first, and how many answer.
func (x *examination) greet(ctx context.Context) (version string, answer int) {
	var all []greeting
	down := map[string]error{}
	for _, text := range x.RabbitMQ.Addresses() {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			return "", 0 // the check of the file has reported it
		}
		addr, security, err := x.brokerAddr(u)
		if err != nil {
			x.r.fail("correct it in "+x.Source(), "%v", err)
			return "", 0
		}
		g, err := askGreeting(ctx, addr, security)
		if err != nil {
			down[addr] = err
			continue
		}
		all = append(all, g)
	}
	if len(all) == 0 {
		for _, addr := range slices.Sorted(maps.Keys(down)) {
			do := "start it, or correct rabbitmq.url"
			if x.RabbitMQ.Encrypted() {
				do += wantsCertificate("rabbitmq", x.RabbitMQ.TLSCert)
			}
			x.r.fail(or(trust.RabbitMQ.Do(down[addr]), do), "%s (from %s): %v", addr, x.Source(), down[addr])
		}
		return "", 0
	}
	x.judgeGreetings(all, down)
	return all[0].version, len(all)
}

// attended compares the partitions' owners with who consumes. A worker that has just started or stopped gets a moment.
func (x *examination) attended(ctx context.Context) {
	if x.workers == 0 {
		return // reported with MySQL
	}
	db, err := x.OpenStore()
	if err != nil {
		return // reported, too
	}
	defer db.Close()
	o, err := x.BrokerOptions()
	if err != nil {
		return // reported, too
	}
	var lacks []int
	for end := time.Now().Add(spread.DeadAfter); ; {
		sp, err := spread.Of(ctx, db, x.RabbitMQ.Partitions)
		if err == nil {
			err = sp.Attend(ctx, o)
		}
		if err != nil {
			x.r.warn("see the server's log", "who consumes: %v", err)
			return
		}
		if lacks = sp.Unattended(); len(lacks) == 0 {
			x.r.ok("each partition with an owner has a consumer")
			return
		}
		if time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
	x.r.fail(spread.DoUnattended, "partitions %s have an owner and no consumer: their messages wait", spread.Numbers(lacks))
}

func (x *examination) brokerAddr(u *url.URL) (addr string, security *tls.Config, err error) {
	port := or(u.Port(), map[string]string{"amqps": "5671"}[u.Scheme])
	if u.Scheme == "amqps" { // a CA for a URL without encryption is not used
		security, err = x.RabbitMQ.TLSConfig()
	}
	return net.JoinHostPort(u.Hostname(), or(port, "5672")), security, err
}

// askGreeting reads version and cluster from the broker's first frame, which comes before any login.
func askGreeting(ctx context.Context, addr string, security *tls.Config) (g greeting, err error) {
	g.addr = addr
	c, err := dialPlain(ctx, addr, security)
	if err != nil {
		return g, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "AMQP\x00\x00\x09\x01"); err != nil {
		return g, err
	}
	head := make([]byte, 7) // type, channel, size
	if _, err := io.ReadFull(c, head); err != nil {
		return g, err
	}
	size := binary.BigEndian.Uint32(head[3:])
	if head[0] != 1 || size > 64<<10 {
		return g, errors.New("this is not an AMQP 0-9-1 broker")
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(c, frame); err != nil {
		return g, err
	}
	if g.version, err = greetingText(frame, "version"); err != nil {
		return g, err
	}
	g.cluster, _ = greetingText(frame, "cluster_name") // a broker of another make has none
	return g, nil
}

// greetingText finds a server property, a long string.
func greetingText(frame []byte, name string) (string, error) {
	_, rest, ok := bytes.Cut(frame, []byte(string(rune(len(name)))+name+"S"))
	if !ok || len(rest) < 4 {
		return "", errors.New("the greeting names no " + name)
	}
	n := binary.BigEndian.Uint32(rest)
	if uint64(n) > uint64(len(rest)-4) {
		return "", errors.New("the greeting is damaged")
	}
	return string(rest[4 : 4+n]), nil
}

// publishing connects as a process does, which declares all exchanges and queues as configured, and publishes one message
// that no queue takes: during a memory or disk alarm that is not confirmed.
func (x *examination) publishing(ctx context.Context) (works bool) {
	o, err := x.BrokerOptions()
	if err != nil {
		x.r.fail("correct it in "+x.Source(), "%v", err)
		return false
	}
	p, err := broker.NewPublisher(o)
	if err != nil {
		x.r.fail("correct the section rabbitmq in "+x.Source(), "%v", err)
		return false
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = p.Close(end) // a blocked message stays unsent
	}()
	if err := awaitUp(ctx, p); err != nil {
		x.judgeRefusal(err)
		return false
	}
	x.r.ok("login works; %d queues exist as %s queues", o.Partitions, o.QueueType)
	outcome := make(chan error, 1)
	if err := p.Publish(broker.Target{Key: o.Prefix + ".doctor", Mandatory: true}, []byte("?"), func(err error) { outcome <- err }); err != nil {
		outcome <- err
	}
	select {
	case err = <-outcome:
	case <-time.After(5 * time.Second):
		err = errors.New("no confirm within 5s")
	}
	if err == nil || errors.Is(err, broker.ErrUnroutable) {
		x.r.ok("it accepts messages: no alarm is active")
		return true
	}
	x.r.fail("free memory or disk on its machine: `rabbitmq-diagnostics alarms` names the cause", "it accepts no messages: %v; %v", err, p.Ready())
	return true
}

// awaitUp waits for the connection; a refusal by the broker itself is returned at once.
func awaitUp(ctx context.Context, p *broker.Publisher) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.Ready()
		if err == nil || strings.Contains(err.Error(), "Exception (") || p.Blocked() {
			if p.Blocked() {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func (x *examination) judgeRefusal(err error) {
	if lasting := chat.AsPermanent(err); lasting != nil {
		x.r.fail(lasting.Do, "%s (from %s): %v", lasting.Where, x.Source(), lasting.Err)
		return
	}
	x.r.fail("see the broker's log; correct rabbitmq.url", "login: %v", err)
}
