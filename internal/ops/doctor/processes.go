package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"chat-service/internal/telemetry"
)

// filesMin is the number of open files that 10,000 sockets need, with what else a gateway opens.
const (
	filesMin  = 12_000
	filesGood = 65_536
)

// processes asks every process whose readiness URL is known.
func (x *examination) processes(ctx context.Context) {
	urls, sure := x.readiness()
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		rep, err := askReadiness(ctx, urls[name])
		switch {
		case err != nil && !sure:
			x.r.warn("start it, or give its URL with --ready", "%s is not running here (%s)", name, urls[name])
		case err != nil:
			x.r.fail("see its log; start it again", "%s: %s: %v", name, urls[name], err)
		case rep.Status == "ready":
			x.r.ok("%s is ready", name)
			x.issuers(name, rep)
		default:
			do := "what it names is unavailable; it becomes ready by itself when that is back"
			if len(rep.Lasting) > 0 {
				do = "waiting doesn't mend it: do what it says; start it again if its configuration has changed, or if it has given up (server.give_up)"
			}
			x.r.fail(do, "%s is %s: %s", name, rep.Status, failing(rep))
		}
	}
}

// issuers says of each of the application's issuers whose keys are fetched whether the process has them. It is ready all the same.
func (x *examination) issuers(process string, rep telemetry.Report) {
	for _, check := range slices.Sorted(maps.Keys(rep.Checks)) {
		issuer, ok := strings.CutPrefix(check, telemetry.IssuerKeys)
		switch state := rep.Checks[check]; {
		case !ok:
		case state == "ok":
			x.r.ok("%s: the keys of the issuer %s could be fetched", process, issuer)
		default:
			x.r.warn("check auth.issuers in its file, and whether jwks_url can be reached from there: tokens of this issuer may be refused",
				"%s: the keys of the issuer %s: %s", process, issuer, state)
		}
	}
}

// readiness lists the URLs to ask: those given, else the run's, else those of the files; sure says that they must answer.
func (x *examination) readiness() (urls map[string]string, sure bool) {
	urls = map[string]string{}
	for _, u := range x.o.Ready {
		urls[u] = u
	}
	if len(urls) > 0 {
		return urls, true
	}
	if x.Run != "" {
		return x.Found.Ready, true
	}
	for name, addr := range x.debug {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || port == "0" {
			continue
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		urls[name] = "http://" + net.JoinHostPort(host, port) + "/readyz"
	}
	return urls, false
}

func askReadiness(ctx context.Context, url string) (rep telemetry.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return rep, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return rep, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return rep, err
	}
	if json.Unmarshal(body, &rep) != nil || rep.Status == "" {
		return rep, fmt.Errorf("%s is not a readiness report", resp.Status)
	}
	return rep, nil
}

// failing lists the checks that fail.
func failing(rep telemetry.Report) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(rep.Checks)) {
		if rep.Checks[name] != "ok" {
			out = append(out, name+": "+rep.Checks[name])
		}
	}
	if len(out) == 0 {
		return "no check fails"
	}
	return strings.Join(out, "; ")
}

// machine checks the limits of processes started from here.
func (x *examination) machine(context.Context) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		x.r.warn("check it with ulimit -Hn", "open files: %v", err)
		return
	}
	// A Go process raises its soft limit to the hard one by itself.
	switch {
	case l.Max < filesMin:
		x.r.warn("raise it for the gateways: LimitNOFILE=65536 in systemd, ulimits in compose, ulimit -n in a shell", "open files: at most %d here, too few for 10,000 sockets", l.Max)
	case l.Max < filesGood:
		x.r.ok("open files: at most %d here; 65536 leaves room to grow", l.Max)
	default:
		x.r.ok("open files: at most %d here", l.Max)
	}
}
