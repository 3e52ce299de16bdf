package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/operator"
)

// lagWarn is how far behind a replica may be: readers ask for what they have seen, and what it lacks is read from the primary.
const lagWarn = 5 * time.Second

// copied is what was found about one replica.
type copied struct {
	addr    string
	refused error // of reading the rest: it can't be reached, or refuses the account
	of      operator.Replication
	unsaid  error // why `of` is not known
	vars    map[string]string
	schema  int64 // version
}

// original is what was found about the primary, with which replicas are compared.
type original struct {
	id     string // server_id
	schema int64
}

// replicas checks every replica that is configured, in the api's file or in the environment.
func (x *examination) replicas(ctx context.Context, primary original) {
	addrs := slices.Clone(x.Database.Replicas)
	for _, addr := range x.apiReplicas {
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	for _, addr := range addrs {
		x.judgeReplica(x.lookAtReplica(ctx, addr), primary)
	}
}

func (x *examination) lookAtReplica(ctx context.Context, addr string) (c copied) {
	c.addr = addr
	o, err := x.StoreOptions()
	if err != nil {
		c.refused = err
		return c
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		c.refused = err
		return c
	}
	if o.Port, err = strconv.Atoi(port); err != nil {
		c.refused = err
		return c
	}
	o.Host = host
	s, err := operator.Open(o)
	if err != nil {
		c.refused = err
		return c
	}
	defer s.Close()
	if c.vars, c.refused = s.Variables(ctx, "read_only", "super_read_only", "server_id", "wsrep_on"); c.refused != nil {
		return c
	}
	c.of, c.unsaid = s.Replication(ctx)
	ms, err := s.Migrations(ctx)
	if err != nil {
		c.refused = err
		return c
	}
	for _, m := range ms {
		c.schema = max(c.schema, m.Version)
	}
	return c
}

func (x *examination) judgeReplica(c copied, primary original) {
	name := "replica " + c.addr
	if c.refused != nil {
		x.r.fail("start it, or take it out of database.replicas; until then its reads go to the primary", "%s: %v", name, c.refused)
		return
	}
	before := x.r.Count(Fail) + x.r.Count(Warn)
	x.judgeCopying(name, c, primary)
	if c.vars["read_only"] == "OFF" {
		x.r.fail("SET GLOBAL super_read_only=ON (MariaDB: read_only=ON), and the same in its configuration file",
			"%s is writable: what is written there is on no other server, and after a failover it would be a second primary", name)
	}
	if c.schema != primary.schema {
		x.r.fail("wait until it has caught up, or make it anew from the primary", "%s: its schema is at version %d, the primary's at %d", name, c.schema, primary.schema)
	}
	if x.r.Count(Fail)+x.r.Count(Warn) == before {
		x.r.ok("%s: it follows the primary, %s behind, and is read-only", name, c.of.Behind)
	}
}

// judgeCopying checks where a replica reads from, and whether it does.
func (x *examination) judgeCopying(name string, c copied, primary original) {
	switch {
	case chat.KindOf(c.unsaid) == chat.Forbidden:
		x.r.warn("GRANT REPLICATION CLIENT ON *.* (MariaDB: REPLICA MONITOR) to the user that doctor runs with", "%s: whether it follows the primary can't be seen: %v", name, c.unsaid)
	case c.unsaid != nil:
		x.r.fail("see the server's log", "%s: %v", name, c.unsaid)
	case c.of.Source == "" && c.vars["server_id"] == primary.id && primary.id != "":
		x.r.fail("name the replicas' own addresses in database.replicas", "%s has the primary's server_id %s: it is the primary itself, or can't replicate from it", name, primary.id)
	case c.of.Source == "":
		x.r.fail("make it a replica of "+x.Database.Addr()+" (CHANGE REPLICATION SOURCE TO …, MariaDB: CHANGE MASTER TO …), or take it out of database.replicas",
			"%s replicates from nobody: what it has stands still, and readers would see old pages", name)
	case !c.of.Receiving || !c.of.Applying:
		x.r.fail("correct the cause, then START REPLICA", "%s: replication from %s has stopped (%s): %s", name, c.of.Source, threads(c.of), orNone(c.of.Error))
	case c.of.SourceID != primary.id:
		x.r.warn("if that is no replica of the primary itself, this one follows another installation: correct it, or take it out of database.replicas",
			"%s follows %s, which has server_id %s; the primary %s has %s", name, c.of.Source, c.of.SourceID, x.Database.Addr(), primary.id)
	case c.of.Behind > lagWarn:
		x.r.warn("look at its load and its disk; what it lacks is read from the primary", "%s is %s behind", name, c.of.Behind)
	}
}

func threads(r operator.Replication) string {
	return fmt.Sprintf("receiving: %t, applying: %t", r.Receiving, r.Applying)
}

func orNone(text string) string { return or(strings.TrimSpace(text), "the server names no cause") }

// judgeGalera refuses a primary that is a node of Galera.
func (x *examination) judgeGalera(vars map[string]string) {
	if strings.EqualFold(vars["wsrep_on"], "ON") {
		x.r.fail("use one primary with (semi-synchronous) replicas, or MySQL's InnoDB Cluster with one primary (docs/clusters.md)",
			"wsrep_on is ON: Galera acknowledges commits that a healthy cluster may lose, and lets a transaction miss what another node has "+
				"committed: numbers could be given twice")
	}
}
