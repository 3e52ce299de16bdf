//go:build integration

package state_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/state"
	"chat-service/internal/test/testkit"
)

// rolesOf lists who calls each verb. Verbs that nobody calls are not in it.
func rolesOf() map[string][]state.Role {
	worker, api, all := []state.Role{state.WorkerRole}, []state.Role{state.APIRole}, state.Roles()
	return map[string][]state.Role{
		"ready": all, "check": all, "online": all, "leases": all,
		"register": worker, "unregister": worker, "beat": worker, "blind": worker, "revived": worker, "bury": worker, "offline later": worker,
		"offline due": worker, "attach": worker, "detach": worker, "routes": worker, "drop route": worker, "count": worker, "generation": worker,
		"recent": api, "warm": api, "outdate": {state.APIRole, state.WorkerRole}, "allow": api, "refund": api, "try": api, "settle": api,
		"forget": {state.OperatorRole}, "take back": api, "count recent": worker, "bury lapsed": worker,
	}
}

// more are verbs that find something to do.
func more(t *testing.T, s *state.State) map[string]func() error {
	t.Helper()
	all, ctx := verbs(t, s), t.Context()
	all["take back"] = func() error {
		_, err := s.Try(ctx, "k", "a stranger's place")
		return errors.Join(err, s.Settle(ctx, "k", "a stranger's place", false))
	}
	all["forget"] = func() error { _, err := s.Forget(ctx); return err }
	all["count recent"] = func() error {
		return s.Count(ctx, []chat.Head{{Room: 1, Seq: 1}}, []chat.Message{text(1, 1)})
	}
	all["bury lapsed"] = func() error {
		_, _, err := register(ctx, s, socket(1, "s", "dead", 1))
		if err = errors.Join(err, s.BeatGateway(ctx, "dead", time.Millisecond)); err != nil {
			return err
		}
		testkit.Eventually(t, 10*time.Second, func() (bool, string) {
			var lapsed []chat.GatewayID
			_, lapsed, err = s.Leases(ctx)
			return err != nil || slices.Contains(lapsed, "dead"), "the lease lives"
		})
		if err != nil {
			return err
		}
		_, _, err = s.Bury(ctx, "dead", 10)
		return err
	}
	return all
}

// TestVerbsWithFewRights: each role's user can call the role's verbs, on one server and on a cluster, and none of the others' that change
// something.
func TestVerbsWithFewRights(t *testing.T) {
	for _, kind := range []string{"single", "cluster"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			args := []string{"--aclfile", emptyFile(t)}
			if kind == "cluster" {
				args = append(args, "--cluster-enabled", "yes")
			}
			addr, direct := private(t, args...)
			prefix := testkit.FreshPrefix(t)
			addrs := []string{addr}
			if kind == "cluster" {
				do(t, direct, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
				addrs = append(addrs, addr)
			}
			admin := open(t, func(o *state.Options) { o.Addrs, o.Prefix = addrs, prefix })
			testkit.Eventually(t, 20*time.Second, func() (bool, string) {
				_, err := admin.Generation(t.Context())
				return err == nil, "the server isn't ready"
			})
			for _, role := range state.Roles() {
				s := as(t, admin, role, addrs, prefix, "")
				if role != state.APIRole {
					must(t, s.Call(t.Context()))
				}
				all := more(t, s)
				for round := range 2 {
					for _, verb := range slices.Sorted(maps.Keys(all)) {
						if rolesOf()[verb] == nil {
							continue
						}
						err := all[verb]()
						switch mine := slices.Contains(rolesOf()[verb], role); {
						case mine && err != nil:
							t.Errorf("round %d: %s may not %s: %v", round+1, role, verb, err)
						case !mine && (err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "EXECABORT")):
							t.Errorf("round %d: %s may %s: %v", round+1, role, verb, err)
						}
					}
				}
			}
			must(t, admin.SaveUsers(t.Context()))
		})
	}
}

// TestNoRightIsIdle: without any one of its commands some verb of the role fails.
func TestNoRightIsIdle(t *testing.T) {
	t.Parallel()
	addr, _ := private(t)
	prefix := testkit.FreshPrefix(t)
	admin := open(t, func(o *state.Options) { o.Addrs, o.Prefix = []string{addr}, prefix })
	if err := admin.SaveUsers(t.Context()); !errors.Is(err, state.ErrVolatile) {
		t.Errorf("users without a file: %v", err)
	}
	elsewhere := []string{"cluster|slots", "cluster|shards", "command", "select", "eval", "eval_ro", // clusters, databases, a server that forgot a script
		"publish", "subscribe", "info", // calls, versions and settings, which are no verbs here
		"ping"} // every connection
	for _, role := range state.Roles() {
		for _, command := range (state.Options{Prefix: prefix}).Rights(role).Commands {
			if slices.Contains(elsewhere, command) {
				continue
			}
			must(t, admin.BeatGateway(t.Context(), "left", time.Minute)) // there is something to forget
			s := as(t, admin, role, []string{addr}, prefix, command)
			all, failed := more(t, s), false
			for range 2 {
				for _, verb := range slices.Sorted(maps.Keys(all)) {
					if slices.Contains(rolesOf()[verb], role) && all[verb]() != nil {
						failed = true
					}
				}
			}
			if !failed {
				t.Errorf("%s needs no %s", role, command)
			}
		}
	}
}

// as opens the state as a role's user, which may not run the command without.
func as(t *testing.T, admin *state.State, role state.Role, addrs []string, prefix, without string) *state.State {
	t.Helper()
	rules := state.Options{Prefix: prefix}.Rights(role).Rules(state.PasswordHash("a password"))
	rules = slices.DeleteFunc(rules, func(r string) bool { return without != "" && r == "+"+without })
	name := prefix + "_" + string(role)
	must(t, admin.SetUser(t.Context(), name, rules))
	return open(t, func(o *state.Options) {
		o.Addrs, o.Prefix, o.Username, o.Password = addrs, prefix, name, "a password"
	})
}

func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.acl")
	must(t, os.WriteFile(path, nil, 0o600))
	return path
}
