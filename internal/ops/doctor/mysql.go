package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/spread"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/operator"
)

// Bounds of the checks.
const (
	skewWarn    = time.Second
	skewFail    = 10 * time.Second
	backlogWarn = 10 * time.Second
	packetGood  = 16 << 20
	connReserve = 10 // for operators and replication
)

// mysql checks the primary.
func (x *examination) mysql(ctx context.Context) {
	o, err := x.StoreOptions()
	if err != nil {
		x.r.fail("correct it in "+x.Source(), "%v", err)
		return
	}
	err = x.WithConsole(func(c *operator.Server) error { x.server(ctx, c, o); return nil })
	if err != nil {
		x.r.fail("correct the section database in "+x.Source(), "%v", err)
	}
}

// server checks the server, then the database.
func (x *examination) server(ctx context.Context, c *operator.Server, o db.Options) {
	version, err := c.Version(ctx)
	if p := chat.AsPermanent(db.Judge(o, err)); p != nil {
		x.r.fail(p.Do, "%s (from %s): %v", p.Where, x.Source(), p.Err)
		return
	}
	if err != nil {
		x.r.fail(or(db.Advice(err), "start it, or correct database.host, port, user and password; privately: chatctl up --servers-only"), "%s (from %s): %v", x.Database.Addr(), x.Source(), err)
		return
	}
	x.judgeVersion(version)
	readOnly := x.serverSettings(ctx, c)
	if skew, err := c.Skew(ctx); err != nil {
		x.r.fail("see the server's log", "clock: %v", err)
	} else {
		x.judgeSkew(skew)
	}
	there, err := c.Exists(ctx)
	switch {
	case err != nil:
		x.r.fail("see the server's log", "database %s: %v", o.DBName, err)
	case !there:
		x.r.fail("run chatctl migrate, which creates it", "database %s is missing", o.DBName)
	case readOnly:
		x.r.warn("run doctor again when database.host leads to the primary", "schema, replicas and backlog were not checked: the processes refuse a server that takes no writes, and so does this check")
	default:
		x.contents(ctx, c)
	}
}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)`)

// atLeast compares a version's first two numbers.
func atLeast(version string, major, minor int) bool {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	a, _ := strconv.Atoi(m[1])
	b, _ := strconv.Atoi(m[2])
	return a > major || a == major && b >= minor
}

func (x *examination) judgeVersion(v string) {
	maria := strings.Contains(strings.ToLower(v), "mariadb")
	if maria && atLeast(v, 10, 11) || !maria && atLeast(v, 8, 4) {
		x.r.ok("%s: %s", x.Database.Addr(), v)
		return
	}
	x.r.warn("upgrade to MySQL 8.4 or 9, or to MariaDB 10.11 or newer: nothing older is tested", "%s: %s", x.Database.Addr(), v)
}

func (x *examination) judgeSkew(skew time.Duration) {
	text := fmt.Sprintf("clock is %s from this machine's", skew.Round(time.Millisecond))
	switch {
	case skew.Abs() > skewFail:
		x.r.fail("run a time service (chrony, systemd-timesyncd) on both machines", "%s", text)
	case skew.Abs() > skewWarn:
		x.r.warn("run a time service (chrony, systemd-timesyncd) on both machines", "%s", text)
	default:
		x.r.ok("%s", text)
	}
}

// serverSettings checks the variables that the promises depend on.
func (x *examination) serverSettings(ctx context.Context, c *operator.Server) (readOnly bool) {
	vars, err := c.Variables(ctx, "innodb_flush_log_at_trx_commit", "sync_binlog", "log_bin", "binlog_format", "read_only", "max_connections", "max_allowed_packet",
		"server_id", "wsrep_on")
	if err != nil {
		x.r.fail("see the server's log", "settings: %v", err)
		return false
	}
	x.primaryID = vars["server_id"]
	x.judgeSettings(vars)
	x.judgeGalera(vars)
	x.judgePools(vars["max_connections"])
	if err := c.ReadCommitted(ctx); err != nil {
		x.r.fail("allow the account to set its isolation level", "READ COMMITTED: %v", err)
	} else if vars["log_bin"] == "ON" && vars["binlog_format"] == "STATEMENT" {
		x.r.fail("set binlog_format=ROW (or MIXED)", "READ COMMITTED can't write while binlog_format is STATEMENT")
	} else {
		x.r.ok("READ COMMITTED works")
	}
	return takesNone(vars)
}

// takesNone reports whether a server takes no writes.
func takesNone(vars map[string]string) bool { return strings.EqualFold(vars["read_only"], "ON") }

func (x *examination) judgeSettings(vars map[string]string) {
	if v := vars["innodb_flush_log_at_trx_commit"]; v != "1" {
		x.r.fail("SET GLOBAL innodb_flush_log_at_trx_commit=1, and the same in its configuration file", "innodb_flush_log_at_trx_commit is %s: acknowledged messages can be lost when the machine fails", v)
	} else {
		x.r.ok("innodb_flush_log_at_trx_commit is 1")
	}
	if v := vars["sync_binlog"]; vars["log_bin"] == "ON" && v != "1" {
		x.r.warn("set sync_binlog=1", "sync_binlog is %s: after a failure of the machine, replicas may lack acknowledged messages", v)
	}
	if takesNone(vars) {
		x.r.fail("lead database.host to the primary, or make it the primary (SET GLOBAL read_only=OFF)",
			"read_only is ON: it is a replica, or was demoted; the processes take it for unavailable")
	}
	switch n, err := strconv.ParseInt(vars["max_allowed_packet"], 10, 64); {
	case err != nil:
	case n < operator.PacketMin:
		x.r.fail(operator.PacketDo, "max_allowed_packet is %d: the processes refuse to work below %d", n, operator.PacketMin)
	case n < packetGood:
		x.r.warn("set max_allowed_packet=16M or more", "max_allowed_packet is %d: a batch of long messages may not fit", n)
	}
}

// judgePools compares the server's connections with what one process of each kind may open.
func (x *examination) judgePools(text string) {
	limit, err := strconv.Atoi(text)
	if err != nil {
		return
	}
	sum, parts := 0, []string{}
	for _, p := range x.pools {
		if p.open == 0 {
			x.r.warn("set database.max_open", "the %s's pool has no limit", p.process)
		}
		n := x.instances(p.process)
		sum += n * p.open
		parts = append(parts, fmt.Sprintf("%d %s × %d", n, p.process, p.open))
	}
	switch all := strings.Join(parts, " + "); {
	case len(parts) == 0:
	case sum > limit-connReserve:
		x.r.fail(fmt.Sprintf("raise max_connections to %d or more, or lower database.max_open", sum+connReserve), "max_connections is %d, the pools may open %d (%s)", limit, sum, all)
	default:
		x.r.ok("max_connections is %d, the pools may open %d (%s)", limit, sum, all)
	}
}

// instances counts a process's instances in the run; 1 if that isn't known.
func (x *examination) instances(process string) (n int) {
	for name := range x.Found.Ready {
		if strings.TrimRight(name, "0123456789") == process {
			n++
		}
	}
	return max(n, 1)
}

// contents checks schema, collations, partitions and backlog.
func (x *examination) contents(ctx context.Context, c *operator.Server) {
	db, err := x.OpenStore()
	if err != nil {
		x.r.fail("correct the section database in "+x.Source(), "%v", err)
		return
	}
	defer db.Close()
	if err := db.Operator.SchemaReady(ctx); err != nil {
		x.r.fail("run chatctl migrate", "schema: %v", err)
		return
	}
	ms, err := c.Migrations(ctx)
	if err != nil || len(ms) == 0 {
		x.r.fail("run chatctl migrate", "schema: %v", err)
		return
	}
	version := ms[len(ms)-1].Version
	x.r.ok("schema of %s is at version %d", x.Database.DBName, version)
	x.replicas(ctx, original{x.primaryID, version})
	if n, example, err := c.StrangeColumns(ctx); err != nil {
		x.r.fail("see the server's log", "collations: %v", err)
	} else if n > 0 {
		x.r.fail("restore the tables with the collations of the migrations (utf8mb4_bin, ascii_bin)", "%d columns have another collation, such as %s: names would compare differently", n, example)
	} else {
		x.r.ok("collations are those of the migrations")
	}
	x.judgePartitions(ctx, c)
	x.judgeBacklog(ctx, c, db)
	x.webhooks(ctx, db)
}

func (x *examination) judgePartitions(ctx context.Context, c *operator.Server) {
	var err error
	x.recorded, err = c.Partitions(ctx)
	switch want := x.RabbitMQ.Partitions; {
	case chat.KindOf(err) == chat.Conflict:
		x.r.fail("run that command to its end: no process starts until then", "partitions: %v", err)
		x.recorded = 0
	case err != nil:
		x.r.fail("run chatctl migrate", "partitions: %v", err)
	case x.recorded == 0:
		x.r.ok("no process has run yet: the first one will fix the number of partitions at %d", want)
	case x.recorded != want:
		x.r.fail(fmt.Sprintf("set rabbitmq.partitions to %d; chatctl partitions resize changes the installation's", x.recorded),
			"the installation has %d partitions, the configuration says %d: processes refuse to start with it", x.recorded, want)
	default:
		x.r.ok("the installation has %d partitions, as configured", want)
	}
}

func (x *examination) judgeBacklog(ctx context.Context, c *operator.Server, db *store.Store) {
	boots, err := db.Operator.Workers(ctx, spread.DeadAfter)
	if err != nil {
		x.r.fail("see the server's log", "workers: %v", err)
		return
	}
	if x.workers = len(boots); x.workers == 0 {
		x.r.warn("start one; nothing is processed until then", "no worker is running")
	} else {
		x.r.ok("%d workers are running", x.workers)
	}
	n, age, err := c.Backlog(ctx)
	switch {
	case err != nil:
		x.r.fail("see the server's log", "outbox: %v", err)
	case n > 0 && age > backlogWarn:
		x.r.warn("check the workers: are they running (chatctl partitions), can they reach RabbitMQ?", "outbox: %d announcements are waiting, the oldest for %s", n, age.Round(time.Second))
	default:
		x.r.ok("outbox: %d announcements are waiting", n)
	}
	_, dead, err := c.Dead(ctx, 1)
	switch {
	case err != nil:
		x.r.fail("see the server's log", "dead commands: %v", err)
	case dead > 0:
		x.r.warn("read them (chatctl dead list), then delete them", "%d dead commands", dead)
	default:
		x.r.ok("no dead commands")
	}
}
