package state

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

const (
	usedRouteTTL  = 24 * time.Hour   // renewed by every attach and detach
	emptyRouteTTL = 10 * time.Minute // how long it is remembered that no gateway holds a room
	routeFields   = 64               // above it the places of detached gateways are dropped
	routeMarker   = "?"              // no gateway's name; holds until when the route is unsettled
)

// Attach routes the room to the gateway, unless that has sent a higher number before.
func (s *State) Attach(ctx context.Context, room chat.RoomID, g chat.GatewayID, number uint64) error {
	return s.MoveRoutes(ctx, []chat.RouteMove{{Room: room, Gateway: g, Number: number}})
}

// Detach stops routing the room to the gateway, unless that has sent a higher number before. A route without gateways stays
// for ten minutes, which means that no gateway holds the room.
func (s *State) Detach(ctx context.Context, room chat.RoomID, g chat.GatewayID, number uint64) error {
	return s.MoveRoutes(ctx, []chat.RouteMove{{Room: room, Gateway: g, Number: number, Leave: true}})
}

const moveBatch = 256 // moves in one round trip

// MoveRoutes attaches and detaches in the given order. After an error some may be done; all may be done again.
func (s *State) MoveRoutes(ctx context.Context, moves []chat.RouteMove) error {
	for part := range slices.Chunk(moves, moveBatch) {
		if err := s.do(ctx, "move_routes", func(ctx context.Context) error { return s.moveRoutes(ctx, part) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) moveRoutes(ctx context.Context, moves []chat.RouteMove) error {
	settled := time.Now().Add(s.opt.Settle).UnixMilli()
	run := func(c redis.Scripter, m chat.RouteMove, f func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd) *redis.Cmd {
		sign := "+"
		if m.Leave {
			sign = "-"
		}
		return f(ctx, c, []string{s.routeKey(m.Room)}, string(m.Gateway), m.Number, sign, settled,
			usedRouteTTL.Milliseconds(), emptyRouteTTL.Milliseconds(), routeFields)
	}
	cmds := make([]*redis.Cmd, len(moves))
	_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, m := range moves {
			cmds[i] = run(p, m, routeScript.EvalSha)
		}
		return nil
	})
	if err == nil || !slices.ContainsFunc(cmds, func(c *redis.Cmd) bool { return redis.HasErrorPrefix(c.Err(), "NOSCRIPT") }) {
		return err
	}
	for _, m := range moves { // a server that doesn't know the script yet: nothing of the pipeline counts
		if err := run(s.rdb(), m, routeScript.Run).Err(); err != nil {
			return err
		}
	}
	return nil
}

// Routes reads the routes of rooms in one round trip (and a second one where some are missing, to begin them).
func (s *State) Routes(ctx context.Context, rooms []chat.RoomID) (routes map[chat.RoomID]chat.Route, err error) {
	routes = make(map[chat.RoomID]chat.Route, len(rooms))
	if len(rooms) == 0 {
		return routes, nil
	}
	err = s.do(ctx, "routes", func(ctx context.Context) error {
		cmds := make([]*redis.MapStringStringCmd, len(rooms))
		if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, r := range rooms {
				cmds[i] = p.HGetAll(ctx, s.routeKey(r))
			}
			return nil
		}); err != nil {
			return err
		}
		now := time.Now()
		var missing []chat.RoomID
		for i, r := range rooms {
			routes[r] = decodeRoute(cmds[i].Val(), now)
			if len(cmds[i].Val()) == 0 {
				missing = append(missing, r)
			}
		}
		return s.begin(ctx, missing, now, routes)
	})
	if err != nil {
		return nil, err
	}
	return routes, nil
}

// begin marks missing routes as unsettled and sets Ask where this call was the one that did it.
func (s *State) begin(ctx context.Context, missing []chat.RoomID, now time.Time, routes map[chat.RoomID]chat.Route) error {
	if len(missing) == 0 {
		return nil
	}
	until := now.Add(s.opt.Settle).UnixMilli()
	cmds := make([]*redis.BoolCmd, len(missing))
	_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, r := range missing {
			cmds[i] = p.HSetNX(ctx, s.routeKey(r), routeMarker, until)
			p.ExpireNX(ctx, s.routeKey(r), emptyRouteTTL)
		}
		return nil
	})
	for i, r := range missing {
		if cmds[i].Val() {
			routes[r] = chat.Route{Ask: true}
		}
	}
	return err
}

func decodeRoute(fields map[string]string, now time.Time) chat.Route {
	until, err := strconv.ParseInt(fields[routeMarker], 10, 64)
	if err != nil {
		return chat.Route{}
	}
	r := chat.Route{Known: now.UnixMilli() >= until, Gateways: map[chat.GatewayID]uint64{}}
	for g, v := range fields {
		num, in := strings.CutSuffix(v, "+")
		if n, err := strconv.ParseUint(num, 10, 64); g != routeMarker && in && err == nil {
			r.Gateways[chat.GatewayID(g)] = n
		}
	}
	return r
}

// DropRoute forgets a gateway in a room's route: it is dead.
func (s *State) DropRoute(ctx context.Context, room chat.RoomID, g chat.GatewayID) error {
	return s.do(ctx, "drop_route", func(ctx context.Context) error {
		return s.rdb().HDel(ctx, s.routeKey(room), string(g)).Err()
	})
}
