package state

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// entry is what is stored of a socket beside its field.
type entry struct {
	Session chat.SessionID `json:"s"`
	Device  string         `json:"d,omitempty"`
	At      int64          `json:"at"`
}

// entryField names a socket among all of its user's, for ever: the gateway's id contains its boot.
func entryField(g chat.GatewayID, id chat.SocketID) string {
	return strconv.FormatUint(uint64(id), 10) + "@" + string(g)
}

func splitField(f string) (g chat.GatewayID, id chat.SocketID, ok bool) {
	num, gw, found := strings.Cut(f, "@")
	n, err := strconv.ParseUint(num, 10, 64)
	return chat.GatewayID(gw), chat.SocketID(n), found && err == nil
}

func decodeSocket(u chat.UserID, field, value string) (chat.Socket, error) {
	g, id, ok := splitField(field)
	var e entry
	if err := json.Unmarshal([]byte(value), &e); err != nil || !ok {
		return chat.Socket{}, fmt.Errorf("socket entry %q of user %d: malformed", field, u)
	}
	return chat.Socket{User: u, Session: e.Session, Gateway: g, Socket: id, Device: e.Device, At: time.UnixMilli(e.At).UTC()}, nil
}

// Register enters sockets, or enters them again, and cancels the offline that was due for their users. Each sees those
// before it in ks. After an error some may have been entered.
func (s *State) Register(ctx context.Context, ks []chat.Socket) (out []chat.Registration, err error) {
	if len(ks) == 0 {
		return nil, nil
	}
	values := make([][]byte, len(ks))
	for i, k := range ks {
		if values[i], err = json.Marshal(entry{k.Session, k.Device, k.At.UnixMilli()}); err != nil {
			return nil, fmt.Errorf("register: %w", err)
		}
	}
	err = s.do(ctx, "register", func(ctx context.Context) error {
		before, err := s.enter(ctx, ks, values)
		if err != nil {
			return err
		}
		var l leases
		seen := map[chat.GatewayID]bool{}
		for _, k := range ks {
			if seen[k.Gateway] {
				continue
			}
			seen[k.Gateway] = true
			if l, err = s.judgeLeases(ctx, k.Gateway); err != nil {
				return err
			}
		}
		out = make([]chat.Registration, len(ks))
		for i, k := range ks {
			others := before[i].Val()
			delete(others, entryField(k.Gateway, k.Socket))
			out[i] = l.among(k, others)
		}
		return nil
	})
	return out, err
}

// enter writes the entries and returns what each user's hash held before.
func (s *State) enter(ctx context.Context, ks []chat.Socket, values [][]byte) ([]*redis.MapStringStringCmd, error) {
	// The gateway's index comes first: whatever is in a user's hash must be found by Bury.
	if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range ks {
			p.SAdd(ctx, s.indexKey(k.Gateway), indexMember(k.User, k.Socket))
		}
		return nil
	}); err != nil {
		return nil, err
	}
	before := make([]*redis.MapStringStringCmd, len(ks))
	if _, err := s.rdb().TxPipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range ks {
			before[i] = p.HGetAll(ctx, s.socketsKey(k.User))
			p.HSet(ctx, s.socketsKey(k.User), entryField(k.Gateway, k.Socket), values[i])
		}
		return nil
	}); err != nil {
		return nil, err
	}
	_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, k := range ks {
			p.ZRem(ctx, s.dueKey(k.User.Partition(s.opt.Partitions)), k.User.String())
		}
		return nil
	})
	return before, err
}

// among picks a user's live entries besides k: those of the same session, and all of them.
func (l leases) among(k chat.Socket, others map[string]string) chat.Registration {
	r := chat.Registration{First: true, OfSession: []chat.Socket{k}, OfUser: []chat.Socket{k}}
	for f, v := range others {
		o, err := decodeSocket(k.User, f, v)
		if err != nil || !l.live[o.Gateway] {
			continue
		}
		r.First = false
		r.OfUser = append(r.OfUser, o)
		if o.Session == k.Session {
			r.OfSession = append(r.OfSession, o)
		}
	}
	slices.SortFunc(r.OfSession, oldestFirst)
	slices.SortFunc(r.OfUser, oldestFirst)
	return r
}

func oldestFirst(a, b chat.Socket) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Socket, b.Socket))
}

// Unregister removes exactly these sockets' entries, never those of later ones, and returns how many live ones each one's
// user has left. Of ks, User, Gateway and Socket count.
func (s *State) Unregister(ctx context.Context, ks []chat.Socket) (left []int, err error) {
	if len(ks) == 0 {
		return nil, nil
	}
	err = s.do(ctx, "unregister", func(ctx context.Context) error {
		rest := make([]*redis.StringSliceCmd, len(ks))
		if _, err := s.rdb().TxPipelined(ctx, func(p redis.Pipeliner) error {
			for i, k := range ks {
				s.beforeUnregister(ctx, p, k.User)
				p.HDel(ctx, s.socketsKey(k.User), entryField(k.Gateway, k.Socket))
				rest[i] = p.HKeys(ctx, s.socketsKey(k.User))
			}
			return nil
		}); err != nil {
			return err
		}
		if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, k := range ks {
				p.SRem(ctx, s.indexKey(k.Gateway), indexMember(k.User, k.Socket))
			}
			return nil
		}); err != nil {
			return err
		}
		l, err := s.judgeLeases(ctx, "")
		if err != nil {
			return err
		}
		left = make([]int, len(ks))
		for i := range ks {
			left[i] = l.count(rest[i].Val())
		}
		return nil
	})
	return left, err
}

// Sockets lists a user's live sockets, oldest first.
func (s *State) Sockets(ctx context.Context, u chat.UserID) (live []chat.Socket, err error) {
	err = s.do(ctx, "sockets", func(ctx context.Context) error {
		all, err := s.rdb().HGetAll(ctx, s.socketsKey(u)).Result()
		if err != nil {
			return err
		}
		l, err := s.judgeLeases(ctx, "")
		if err != nil {
			return err
		}
		for f, v := range all {
			k, err := decodeSocket(u, f, v)
			if err == nil && l.live[k.Gateway] {
				live = append(live, k)
			}
		}
		return nil
	})
	slices.SortFunc(live, oldestFirst)
	return live, err
}

// GatewaysOf lists the gateways where these users have live sockets, each once, sorted.
func (s *State) GatewaysOf(ctx context.Context, users []chat.UserID) (gws []chat.GatewayID, err error) {
	if len(users) == 0 {
		return nil, nil
	}
	err = s.do(ctx, "gateways_of", func(ctx context.Context) error {
		fields, l, err := s.fieldsOf(ctx, users)
		if err != nil {
			return err
		}
		for _, fs := range fields {
			for _, f := range fs {
				if g, _, ok := splitField(f); ok && l.live[g] {
					gws = append(gws, g)
				}
			}
		}
		return nil
	})
	slices.Sort(gws)
	return slices.Compact(gws), err
}

// fieldsOf reads the entries' fields of many users, then the leases.
func (s *State) fieldsOf(ctx context.Context, users []chat.UserID) ([][]string, leases, error) {
	cmds := make([]*redis.StringSliceCmd, len(users))
	if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, u := range users {
			cmds[i] = p.HKeys(ctx, s.socketsKey(u))
		}
		return nil
	}); err != nil {
		return nil, leases{}, err
	}
	fields := make([][]string, len(users))
	for i, c := range cmds {
		fields[i] = c.Val()
	}
	l, err := s.judgeLeases(ctx, "")
	return fields, l, err
}

func indexMember(u chat.UserID, id chat.SocketID) string {
	return u.String() + "/" + strconv.FormatUint(uint64(id), 10)
}

func splitMember(m string) (u chat.UserID, id chat.SocketID, ok bool) {
	a, b, found := strings.Cut(m, "/")
	user, err1 := strconv.ParseUint(a, 10, 64)
	sock, err2 := strconv.ParseUint(b, 10, 64)
	return chat.UserID(user), chat.SocketID(sock), found && err1 == nil && err2 == nil
}
