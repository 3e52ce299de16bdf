package gateway

import (
	"sync"

	"chat-service/internal/chat"
)

const shards = 64

// registry finds sockets by id, from their upgrade to after their end. fasthttp forgets a connection with the
// upgrade, so the drain walks this.
type registry struct {
	shards [shards]socketShard
}

// socketShard is one part of the registry with a lock of its own.
type socketShard struct {
	mu sync.Mutex
	m  map[chat.SocketID]*socket
}

func newRegistry() *registry {
	r := &registry{}
	for i := range r.shards {
		r.shards[i].m = map[chat.SocketID]*socket{}
	}
	return r
}

func (r *registry) add(s *socket) {
	sh := &r.shards[s.id%shards]
	sh.mu.Lock()
	sh.m[s.id] = s
	sh.mu.Unlock()
}

func (r *registry) remove(s *socket) {
	sh := &r.shards[s.id%shards]
	sh.mu.Lock()
	delete(sh.m, s.id)
	sh.mu.Unlock()
}

// shard appends one shard's sockets to dst.
func (r *registry) shard(i int, dst []*socket) []*socket {
	sh := &r.shards[i]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, s := range sh.m {
		dst = append(dst, s)
	}
	return dst
}

// all returns every socket.
func (r *registry) all() []*socket {
	var l []*socket
	for i := range r.shards {
		l = r.shard(i, l)
	}
	return l
}
