package state

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"chat-service/internal/chat"
)

// maxName bounds the part of a throttle key that comes from outside.
const maxName = 96

// socketsKey holds a user's socket entries: hash of entryField → entry.
func (s *State) socketsKey(u chat.UserID) string { return s.key("u"+u.String(), "sockets") }

// indexKey holds what Bury has to remove when the gateway is gone: set of "<user>/<socket>".
func (s *State) indexKey(g chat.GatewayID) string { return s.key("g"+string(g), "sockets") }

// leaseKey holds every gateway with the Redis time at which its lease ends: zset.
func (s *State) leaseKey() string { return s.key("leases", "until") }

// buriedKey holds gateways whose entries were removed, by when: zset.
func (s *State) buriedKey() string { return s.key("leases", "buried") }

// revivedKey holds gateways that beat again after that: set.
func (s *State) revivedKey() string { return s.key("leases", "revived") }

// blindKey exists while heartbeats can't arrive.
func (s *State) blindKey() string { return s.key("leases", "blind") }

// dueKey holds a partition's users who are to be announced as offline, by when: zset.
func (s *State) dueKey(partition int) string { return s.key("o"+strconv.Itoa(partition), "due") }

// routeKey holds a room's gateways: hash of gateway → "<number>+" or "<number>-", and the marker.
func (s *State) routeKey(r chat.RoomID) string { return s.key("r"+r.String(), "route") }

func (s *State) generationKey() string { return s.key("generation", "id") }

// callChannel wakes workers to look at the outbox; it carries no data.
func (s *State) callChannel() string { return s.key("outbox", "calls") }

func (s *State) rateKey(name string) string { return s.key("t"+bounded(name), "rate") }

// tryKeys hold the tries at an account from one place, and those from all places that aren't known: hash of n, at, until, known.
// They share a tag, so that one script may change both.
func (s *State) tryKeys(account, from string) []string {
	tag := "t" + bounded(account)
	return []string{s.key(tag, "tries"+bounded(from)), s.key(tag, "tries")}
}

// bounded keeps outside text from making long keys or from breaking the hash tag.
func bounded(name string) string {
	plain := len(name) <= maxName
	for i := 0; plain && i < len(name); i++ {
		plain = name[i] > ' ' && name[i] != '{' && name[i] != '}' && name[i] < 0x7f
	}
	if plain {
		return ":" + name
	}
	h := sha256.Sum256([]byte(name))
	return "#" + hex.EncodeToString(h[:16])
}
