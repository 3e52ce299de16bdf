package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// Role is a process that uses Redis.
type Role string

// The roles. Gateways use no Redis.
const (
	APIRole      Role = "api"
	WorkerRole   Role = "worker"
	OperatorRole Role = "operator" // chatctl: doctor, user, room and the operators' verbs
)

// Roles lists them.
func Roles() []Role { return []Role{APIRole, WorkerRole, OperatorRole} }

// Rights are what a role's ACL user may do.
type Rights struct {
	Commands []string // subcommands as "cluster|slots"
	Keys     []string // patterns of keys to read and write
	Reads    []string // patterns of keys to read only
	Writes   []string // patterns of keys to write only
	Channels []string
}

// Rights returns the fewest rights that a role needs under a prefix. A script's commands are judged like those of its caller, and its keys
// count as written.
func (o Options) Rights(r Role) Rights {
	s := &State{prefix: o.withDefaults().Prefix}
	sockets, index := s.key("u*", "sockets"), s.key("g*", "sockets")
	leases, routes := s.key("leases", "*"), s.key("r*", "route")
	recent, before := s.key("r*", "recent2"), s.key("r*", "recent") // the release before has the latter
	heads, due := s.key("h*", "*"), s.key("o*", "due")
	// By every connection; of a cluster, its slots; and who is there, which a script answers.
	common := []string{"ping", "select", "info", "cluster|slots", "cluster|shards", "command", "evalsha_ro", "eval_ro", "time", "exists", "zrange"}
	all := func(own ...string) []string { return slices.Concat(common, own) }
	switch r {
	case APIRole:
		return Rights{
			Commands: all("publish", "evalsha", "eval", "multi", "exec", "get", "set", "del", "pexpire", "lrange", "rpush",
				"hget", "hset", "hdel", "hincrby", "hkeys"),
			Keys:  []string{s.key("t*", "*"), recent, before},
			Reads: []string{sockets, s.leaseKey(), s.blindKey()}, Channels: []string{s.callChannel()},
		}
	case WorkerRole:
		return Rights{
			Commands: all("publish", "subscribe", "evalsha", "eval", "multi", "exec", "set", "expire", "pexpire",
				"rpushx", "ltrim", "hget", "hset", "hsetnx", "hdel", "hgetall", "hkeys", "sadd", "srem", "spop", "scard", "srandmember",
				"zadd", "zrem", "zcount", "zscore", "zremrangebyscore"),
			Keys:     []string{sockets, index, leases, routes, recent, before, heads, due, s.generationKey()},
			Channels: []string{s.callChannel()},
		}
	default:
		return Rights{
			Commands: all("publish", "hkeys", "scan", "del"), // the latter for Forget
			Reads:    []string{sockets, s.leaseKey(), s.blindKey()}, Writes: []string{s.prefix + ":*"}, Channels: []string{s.callChannel()},
		}
	}
}

// Rules writes the rights as ACL SETUSER takes them. They begin with a reset: what the user could do before is gone.
func (r Rights) Rules(passwordSHA256 string) []string {
	rules := []string{"reset", "on", "#" + passwordSHA256, "-@all"}
	for _, c := range r.Commands {
		rules = append(rules, "+"+c)
	}
	for _, k := range r.Keys {
		rules = append(rules, "~"+k)
	}
	for _, k := range r.Reads {
		rules = append(rules, "%R~"+k)
	}
	for _, k := range r.Writes {
		rules = append(rules, "%W~"+k)
	}
	for _, c := range r.Channels {
		rules = append(rules, "&"+c)
	}
	return rules
}

// PasswordHash is the form in which an ACL keeps a password.
func PasswordHash(password string) string {
	h := sha256.Sum256([]byte(password))
	return hex.EncodeToString(h[:])
}

// ErrVolatile says that the users are made, and will be lost when the server restarts.
var ErrVolatile = errors.New("redis keeps its users in memory only: give it an aclfile, and run this again, or after each restart")

// SetUser makes a user with exactly the rules, on every master. It needs an administrator.
func (s *State) SetUser(ctx context.Context, name string, rules []string) error {
	return s.do(ctx, "set_user", func(ctx context.Context) error {
		return s.everywhere(ctx, func(ctx context.Context, c *redis.Client) error {
			args := []any{"acl", "setuser", name}
			for _, r := range rules {
				args = append(args, r)
			}
			return c.Do(ctx, args...).Err()
		})
	})
}

// SaveUsers writes the users to the server's aclfile; ErrVolatile if it has none.
func (s *State) SaveUsers(ctx context.Context) error {
	err := s.do(ctx, "save_users", func(ctx context.Context) error {
		return s.everywhere(ctx, func(ctx context.Context, c *redis.Client) error { return c.Do(ctx, "acl", "save").Err() })
	})
	if err != nil && strings.Contains(err.Error(), "not configured to use an ACL file") {
		return ErrVolatile
	}
	return err
}

// everywhere runs fn on the server, or one after the other on each master of a cluster.
func (s *State) everywhere(ctx context.Context, fn func(ctx context.Context, c *redis.Client) error) error {
	switch c := s.rdb().(type) {
	case *redis.Client:
		return fn(ctx, c)
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, fn)
	}
	return chat.Wrap(chat.Internal, fmt.Errorf("redis: a client of type %T", s.rdb()), "")
}
