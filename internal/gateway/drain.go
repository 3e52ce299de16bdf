package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

const (
	drainTail  = 7 * time.Second // for the last close frames, after the window
	flushLimit = 3 * time.Second
)

// Stop closes all sockets and returns when nothing is left running. New sockets are answered 503. Each open one gets
// a goaway with a time of its own within the drain window, and some time after that close code 1012. The bus must
// work until Stop returns. It takes at most the window and ten seconds more. When ctx ends, the connections are cut.
func (g *Gateway) Stop(ctx context.Context) error {
	g.gate.Lock()
	g.draining.Store(true)
	g.gate.Unlock()
	g.sendAway()
	ended := make(chan struct{})
	go func() {
		g.live.Wait()
		close(ended)
	}()
	limit := time.NewTimer(g.o.Drain + drainTail)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
	case <-ctx.Done():
	}
	cut := g.sockets.all()
	for _, s := range cut {
		s.broken()
	}
	<-ended // every reader ends with its connection
	g.flushDisconnects()
	err := g.shutdown()
	close(g.stop)
	<-g.done
	g.writers.close()
	if len(cut) > 0 {
		g.o.Log.Warn("connections were cut at the end of the drain", "sockets", len(cut))
	}
	return err
}

// sendAway spreads the closing of the sockets over the window. The time in goaway is within its first four fifths,
// and a socket is closed a fifth of the window after its time.
func (g *Gateway) sendAway() {
	now, grace := g.o.Now().UnixMilli(), g.o.Drain/5
	for _, s := range g.sockets.all() {
		after := jitter(g.o.Drain - grace)
		if s.present() {
			s.leave(now+(after+grace).Milliseconds(), hub.Text(protocol.AppendGoaway(nil, after, "drain")))
		} else {
			s.close(protocol.CloseRestart, jitter(time.Second))
		}
	}
}

// flushDisconnects waits until the bus has the Disconnects of all ended sockets, at most flushLimit.
func (g *Gateway) flushDisconnects() {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for end := time.Now().Add(flushLimit); g.disconnects.left() > 0 && time.Now().Before(end); {
		<-t.C
	}
	if n := g.disconnects.left(); n > 0 {
		g.o.Log.Warn("not all ended sockets could be reported to the workers; they go with the gateway's lease", "sockets", n)
	}
}

// shutdown closes the listener and waits for the server to return.
func (g *Gateway) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	if err := g.http.ShutdownWithContext(ctx); err != nil && !errors.Is(err, net.ErrClosed) { // it may have ended by itself
		return fmt.Errorf("gateway: shut down: %w", err)
	}
	_ = g.listener.Close() // Shutdown passes over it if Serve hasn't begun yet; else it is closed already
	select {
	case err := <-g.served:
		if err != nil {
			return fmt.Errorf("gateway: serve: %w", err)
		}
		return nil
	case <-ctx.Done():
		return errors.New("gateway: the listener's server doesn't return")
	}
}
