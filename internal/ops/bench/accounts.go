package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	restClients = 8   // concurrent requests while accounts and rooms are created
	membersCall = 500 // ids that one call may name
)

// accounts keeps users and rooms between runs: creating ten thousand of them takes longer than most measurements.
type accounts struct {
	path string
	api  *rest
	say  Progress

	mu     sync.Mutex
	kept   keptAccounts
	tokens map[string][]string // pool → tokens, filled by logins
}

type keptAccounts struct {
	API     string              `json:"api"`
	Tag     string              `json:"tag"`
	Pools   map[string][]uint64 `json:"pools"` // name → user ids
	Rooms   map[string][]uint64 `json:"rooms"` // layout → room ids
	History *loaded             `json:"history,omitempty"`
}

// openAccounts reads the accounts of earlier runs; it begins with none if the system does not know them.
func openAccounts(ctx context.Context, path string, api *rest, say Progress) (*accounts, error) {
	a := &accounts{path: path, api: api, say: say, tokens: map[string][]string{}}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	if err == nil && json.Unmarshal(b, &a.kept) == nil && a.kept.API == api.base && a.known(ctx) {
		return a, nil
	}
	a.kept = keptAccounts{
		API: api.base, Tag: strconv.FormatUint(uint64(rand.Uint32()), idBase),
		Pools: map[string][]uint64{}, Rooms: map[string][]uint64{},
	}
	return a, nil
}

func (a *accounts) known(ctx context.Context) bool {
	for pool, ids := range a.kept.Pools {
		if len(ids) > 0 {
			_, err := a.login(ctx, pool, 0)
			return err == nil
		}
	}
	return false
}

func (a *accounts) save() error {
	a.mu.Lock()
	b, err := json.Marshal(a.kept)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o750); err != nil {
		return fmt.Errorf("keep accounts: %w", err)
	}
	if err := os.WriteFile(a.path, b, 0o600); err != nil {
		return fmt.Errorf("keep accounts: %w", err)
	}
	return nil
}

func (a *accounts) name(pool string, i int) string {
	return fmt.Sprintf("b%s%s%d", a.kept.Tag, pool, i)
}

func password(name string) string { return "Kx9#" + name }

// users creates users until the pool has n.
func (a *accounts) users(ctx context.Context, pool string, n int) ([]uint64, error) {
	have := a.kept.Pools[pool]
	if len(have) >= n {
		return have, nil
	}
	a.say("creating %d accounts (pool %s)", n-len(have), pool)
	ids := make([]uint64, n)
	copy(ids, have)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(restClients)
	for i := len(have); i < n; i++ {
		g.Go(func() error {
			name := a.name(pool, i)
			var made struct {
				User struct {
					ID uint64 `json:"id"`
				} `json:"user"`
			}
			err := a.api.call(gctx, "POST", "/auth/register", "",
				map[string]string{"username": name, "nickname": name, "email": name + "@example.com", "password": password(name)}, &made)
			ids[i] = made.User.ID
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	a.kept.Pools[pool] = ids
	return ids, a.save()
}

// login returns the access token of one user of a pool.
func (a *accounts) login(ctx context.Context, pool string, i int) (string, error) {
	a.mu.Lock()
	for len(a.tokens[pool]) <= i {
		a.tokens[pool] = append(a.tokens[pool], "")
	}
	token := a.tokens[pool][i]
	a.mu.Unlock()
	if token != "" {
		return token, nil
	}
	var in struct {
		Token string `json:"access_token"`
	}
	name := a.name(pool, i)
	if err := a.api.call(ctx, "POST", "/auth/login", "", map[string]string{"username": name, "password": password(name)}, &in); err != nil {
		return "", err
	}
	a.mu.Lock()
	a.tokens[pool][i] = in.Token
	a.mu.Unlock()
	return in.Token, nil
}

// logins returns the tokens of the named users of a pool, in their order.
func (a *accounts) logins(ctx context.Context, pool string, users []int) ([]string, error) {
	out := make([]string, len(users))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(restClients)
	for k, u := range users {
		g.Go(func() (err error) {
			out[k], err = a.login(gctx, pool, u)
			return err
		})
	}
	return out, g.Wait()
}

// layout says which users of a pool are in which room.
type layout struct {
	name    string
	pool    string
	users   int // of the pool that take part
	rooms   int
	members int // per room
	stride  int // how far the next room's first member is from this one's
}

// member is the index of the room's m-th member; the 0th owns the room.
func (l layout) member(room, m int) int { return (room*l.stride + m) % l.users }

// rooms creates the layout's users and rooms, as far as they are missing.
func (a *accounts) rooms(ctx context.Context, l layout) ([]uint64, error) {
	ids, err := a.users(ctx, l.pool, l.users)
	if err != nil {
		return nil, err
	}
	have := a.kept.Rooms[l.name]
	if len(have) >= l.rooms {
		return have[:l.rooms], nil
	}
	a.say("creating %d rooms of %d members (%s)", l.rooms-len(have), l.members, l.name)
	rooms := make([]uint64, l.rooms)
	copy(rooms, have)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(restClients)
	for r := len(have); r < l.rooms; r++ {
		g.Go(func() (err error) {
			rooms[r], err = a.makeRoom(gctx, l, ids, r)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	a.kept.Rooms[l.name] = rooms
	return rooms, a.save()
}

func (a *accounts) makeRoom(ctx context.Context, l layout, ids []uint64, r int) (uint64, error) {
	token, err := a.login(ctx, l.pool, l.member(r, 0))
	if err != nil {
		return 0, err
	}
	others := make([]uint64, 0, l.members)
	for m := 1; m < l.members; m++ {
		others = append(others, ids[l.member(r, m)])
	}
	first := min(len(others), membersCall-1)
	var room struct {
		ID uint64 `json:"id"`
	}
	err = a.api.call(ctx, "POST", "/rooms", token,
		map[string]any{"name": fmt.Sprintf("%s %d", l.name, r), "type": "group", "member_ids": others[:first]}, &room)
	for rest := others[first:]; err == nil && len(rest) > 0; {
		n := min(membersCall, len(rest))
		err = a.api.call(ctx, "POST", fmt.Sprintf("/rooms/%d/members", room.ID), token, map[string]any{"member_ids": rest[:n]}, nil)
		rest = rest[n:]
	}
	return room.ID, err
}
