package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Bar is one figure that a scenario is held to.
type Bar struct {
	Scenario string
	Value    string // name in Row.Values
	What     string // in words
	Unit     string
	AtLeast  bool    // else at most
	Limit    float64 // 0 = shown without a bar
}

// Met reports whether v reaches the bar.
func (b Bar) Met(v float64) bool {
	if b.AtLeast {
		return v >= b.Limit
	}
	return v <= b.Limit
}

// Bars are the figures of the table, in its order.
func Bars() []Bar {
	return []Bar{
		{"S1", "acked_per_s", "acked", "/s", true, 10_000},
		{"S1", "delivered_per_s", "deliveries", "/s", true, 90_000},
		{"S1", "cpu_us_per_message", "CPU per message, all processes", "µs", false, 140},
		{"S1", "ack_p50_ms", "send → ack p50", "ms", false, 0},
		{"S1", "ack_p99_ms", "send → ack p99", "ms", false, 0},
		{"S2", "acked_per_s", "acked", "/s", true, 6_000},
		{"S2", "ack_p50_ms", "send → ack p50", "ms", false, 16},
		{"S2", "ack_p99_ms", "send → ack p99", "ms", false, 60},
		{"S2", "cpu_us_per_message", "CPU per message, all processes", "µs", false, 0},
		{"S3", "ack_p50_ms", "send → ack p50", "ms", false, 8},
		{"S3", "ack_p99_ms", "send → ack p99", "ms", false, 30},
		{"S3", "deliver_p50_ms", "send → deliver p50", "ms", false, 8},
		{"S3", "deliver_p99_ms", "send → deliver p99", "ms", false, 30},
		{"S4", "delivered_per_s", "deliveries", "/s", true, 290_000},
		{"S4", "gateway_us_per_delivery", "gateway CPU per delivery", "µs", false, 2.6},
		{"S4", "deliver_p50_ms", "send → deliver p50", "ms", false, 0},
		{"S4", "deliver_p99_ms", "send → deliver p99", "ms", false, 0},
		{"S5", "gateway_kib_per_connection", "gateway memory per connection", "KiB", false, 8},
		{"S5", "idle_us_per_connection_s", "CPU per connection and second, all processes", "µs", false, 5},
		{"S6", "open_s_per_10000", "10,000 connections to welcome", "s", false, 5},
		{"S6", "cpu_s_per_1000", "CPU per 1,000 connections, all processes", "s", false, .3},
		{"S7", "page_p99_ms", "page p99", "ms", false, 10},
		{"S7", "deep_over_shallow", "deep page over last page", "×", false, 1.2},
		{"S7", "pages_per_s", "pages", "/s", true, 2_000},
		{"S8", "rooms_ratio", "CPU per message, most rooms over fewest", "×", false, 1.5},
		{"S8", "members_ratio", "CPU per message, most members over fewest", "×", false, 1.5},
		{"S9", "list_p99_ms", "room list p99", "ms", false, 15},
		{"S9", "lists_per_s", "room lists", "/s", true, 0},
		{"S10", "busy_over_quiet", "ack p99 beside reactions, over that without", "×", false, 2},
		{"S10", "busy_ack_p99_ms", "ack p99 beside reactions", "ms", false, 0},
		{"S10", "quiet_ack_p99_ms", "ack p99 without", "ms", false, 0},
		{"S10", "reactions_per_s", "reactions", "/s", true, 0},
		{"S10", "reactions_refused_per_s", "reactions refused", "/s", false, 0},
		{"S11", "catch_up_p99_ms", "900 changes p99", "ms", false, 50},
		{"S11", "together_p99_ms", "900 changes p99, 100 clients at once", "ms", false, 0},
		{"S11", "resync_p99_ms", "too many changes p99", "ms", false, 20},
	}
}

// Scenarios are the names of all scenarios, in the order in which they run.
func Scenarios() []string {
	return []string{"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11"}
}

// Choose reads a list such as "S1,s4" or "all".
func Choose(text string) ([]string, error) {
	if strings.EqualFold(text, "all") {
		return Scenarios(), nil
	}
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		name := strings.ToUpper(strings.TrimSpace(part))
		if !slices.Contains(Scenarios(), name) {
			return nil, fmt.Errorf("scenario %q: choose from %s, or all", part, strings.Join(Scenarios(), ", "))
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// chatRooms is S1 to S3: 100 rooms of 10 members, each of them online in one room.
func chatRooms() load {
	return load{layout: layout{name: "chat", pool: "chat", users: 1000, rooms: 100, members: 10, stride: 10}, online: 10}
}

func (b *bench) once(ctx context.Context, name string) (Row, error) {
	l := chatRooms()
	switch name {
	case "S1":
		l.window = 16
	case "S2":
		l.window = 1
	case "S3":
		l.rate, l.even = 1000, b.plan.Even
	case "S4":
		l = load{layout: layout{name: "fanout", pool: "fanout", users: 1000, rooms: 1, members: 1000, stride: 1000}, online: 1000, window: 8}
	case "S5":
		return b.idle(ctx)
	case "S6":
		return b.storm(ctx)
	case "S7":
		return b.history(ctx)
	case "S8":
		return b.growth(ctx)
	case "S10":
		return b.reactions(ctx, l)
	case "S11":
		return b.comeBack(ctx)
	default:
		return b.roomList(ctx)
	}
	return b.traffic(ctx, l)
}

// growth is S8: the same thousand messages per second over ever more rooms, then over rooms of ever more members.
func (b *bench) growth(ctx context.Context) (Row, error) {
	all := Row{Values: map[string]float64{}, Audit: &Tally{}}
	points := b.plan.Points
	for _, of := range []string{"rooms", "members"} {
		for _, n := range points {
			row, err := b.traffic(ctx, b.grown(of, n))
			if err != nil {
				return all, fmt.Errorf("%d %s: %w", n, of, err)
			}
			all.absorb(row, fmt.Sprintf("%s_%d_", of, n))
			b.say("%d %s: %.1f µs CPU per message", n, of, row.Values["cpu_us_per_message"])
		}
		value := func(n int) float64 { return all.Values[fmt.Sprintf("%s_%d_cpu_us_per_message", of, n)] }
		all.Values[of+"_ratio"] = value(points[len(points)-1]) / max(value(points[0]), 1e-9)
	}
	return all, nil
}

// grown is one point of S8. Ten members of each room are online, each with one connection for all of their rooms.
func (b *bench) grown(of string, n int) load {
	const online, few, crowd = 10, 10, 1000
	l := load{online: online, rate: 1000, even: true}
	if of == "rooms" {
		l.layout = layout{pool: "growth", users: min(n*online, crowd), rooms: n, members: online, stride: online}
	} else {
		l.layout = layout{pool: "growth", users: max(n, few*online), rooms: few, members: n, stride: online}
	}
	l.name = fmt.Sprintf("growth-%s-%d", of, n)
	return l
}

// absorb keeps a point's row under a prefix.
func (r *Row) absorb(point Row, prefix string) {
	for name, v := range point.Values {
		r.Values[prefix+name] = v
	}
	r.CPU, r.RSS = point.CPU, point.RSS
	r.Values["harness_cpu_percent"] = point.Values["harness_cpu_percent"]
	r.Disturbed = r.Disturbed || point.Disturbed
	if point.Audit != nil {
		r.Audit.Add(*point.Audit)
	}
	for _, s := range point.Saturated {
		r.Saturated = append(r.Saturated, strings.ReplaceAll(prefix, "_", " ")+s)
	}
	for _, s := range point.Notes {
		r.Notes = append(r.Notes, strings.ReplaceAll(prefix, "_", " ")+s)
	}
}
