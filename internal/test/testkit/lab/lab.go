package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commandWithin bounds each of the commands that set the network up.
const commandWithin = 20 * time.Second

// Tool is a program, with the variables that it needs over those of this process.
type Tool struct {
	Path string
	Env  []string
}

// Tools are the programs that make the network: ip and tc of iproute2, nft of nftables.
type Tools struct{ IP, TC, NFT Tool }

// Lab is a network of hosts. Its methods may be called from several goroutines, but not for one host at the same time.
type Lab struct {
	id    string
	net   string // the first three bytes of all addresses
	tools Tools
	hosts map[string]string // name → address
	slow  map[string]bool
}

// Root says why this process can't make a lab, "" if it can.
func Root() string {
	if os.Geteuid() != 0 {
		return "network namespaces are made by root only: run it as root, or in a machine of its own"
	}
	return ""
}

// New makes a lab with the hosts named, which lasts until the test ends. The test itself has the address ….1 in it.
func New(t testing.TB, tools Tools, hosts ...string) *Lab {
	t.Helper()
	if why := Root(); why != "" {
		t.Fatal(why)
	}
	l := &Lab{tools: tools, id: "chatlab" + strconv.Itoa(os.Getpid()), hosts: map[string]string{}, slow: map[string]bool{}}
	l.sweep(t)
	l.net = l.free(t)
	bridge := "cl" + strconv.Itoa(os.Getpid())
	l.must(t, l.tools.IP, "link", "add", bridge, "type", "bridge")
	t.Cleanup(func() { _ = l.run(context.Background(), l.tools.IP, "link", "del", bridge) })
	l.must(t, l.tools.IP, "addr", "add", l.net+".1/24", "dev", bridge)
	l.must(t, l.tools.IP, "link", "set", bridge, "up")
	// The kernel removes an ended lab's links some time after their namespaces: those of the next one have other names, of 15 bytes at most.
	link := "cv" + strconv.FormatInt(int64(os.Getpid()), 36) + "." + strconv.FormatInt(time.Now().UnixMilli()%(36*36*36), 36) + "."
	for i, name := range hosts {
		addr, ns, outer := fmt.Sprintf("%s.%d", l.net, 11+i), l.ns(name), link+strconv.Itoa(i)
		l.must(t, l.tools.IP, "netns", "add", ns)
		t.Cleanup(func() { _ = l.run(context.Background(), l.tools.IP, "netns", "del", ns) })
		l.must(t, l.tools.IP, "link", "add", outer, "type", "veth", "peer", "name", "e0", "netns", ns)
		l.must(t, l.tools.IP, "link", "set", outer, "master", bridge, "up")
		for _, args := range [][]string{{"link", "set", "lo", "up"}, {"link", "set", "e0", "up"}, {"addr", "add", addr + "/24", "dev", "e0"}} {
			l.must(t, l.tools.IP, append([]string{"-n", ns}, args...)...)
		}
		l.hosts[name] = addr
	}
	return l
}

func (l *Lab) ns(host string) string { return l.id + "-" + host }

// sweep removes the namespaces of tests that were killed.
func (l *Lab) sweep(t testing.TB) {
	t.Helper()
	list, _ := os.ReadDir("/run/netns")
	for _, e := range list {
		rest, mine := strings.CutPrefix(e.Name(), "chatlab")
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if mine && err == nil && syscall.Kill(pid, 0) != nil {
			_ = l.run(t.Context(), l.tools.IP, "netns", "del", e.Name())
			_ = l.run(t.Context(), l.tools.IP, "link", "del", "cl"+number)
		}
	}
}

// free is a network that nobody on this machine uses.
func (l *Lab) free(t testing.TB) string {
	t.Helper()
	used := l.must(t, l.tools.IP, "-o", "-4", "addr")
	for n := range 200 {
		if prefix := fmt.Sprintf("10.77.%d", (os.Getpid()+n)%200); !strings.Contains(used, prefix+".") {
			return prefix
		}
	}
	t.Fatal("all of 10.77.0.0/16 is used on this machine")
	return ""
}

// Here is the test's own address in the lab.
func (l *Lab) Here() string { return l.net + ".1" }

// Addr is a host's address.
func (l *Lab) Addr(host string) string { return l.hosts[host] }

// Floating is an address that no host has yet.
func (l *Lab) Floating() string { return l.net + ".100" }

// Within stands in front of a command that is to run on a host.
func (l *Lab) Within(host string) []string {
	return []string{l.tools.IP.Path, "netns", "exec", l.ns(host)}
}

// Move gives a floating address to a host, and takes it from all others: connections to it end when they are used.
func (l *Lab) Move(ctx context.Context, addr, to string) error {
	for host := range l.hosts {
		_ = l.run(ctx, l.tools.IP, "-n", l.ns(host), "addr", "del", addr+"/24", "dev", "e0") // most don't have it
	}
	if err := l.run(ctx, l.tools.IP, "-n", l.ns(to), "addr", "add", addr+"/24", "dev", "e0"); err != nil {
		return err
	}
	for host := range l.hosts {
		if err := l.run(ctx, l.tools.IP, "-n", l.ns(host), "neigh", "flush", "all"); err != nil {
			return err
		}
	}
	return l.run(ctx, l.tools.IP, "neigh", "flush", "to", l.net+".0/24")
}

// Loss drops so many percent of the packets that a host gets from, and sends to, the addresses named, in addition to what it drops already.
func (l *Lab) Loss(ctx context.Context, host string, percent int, from, to []string) error {
	rules := "table ip lab {\n chain in { type filter hook input priority 0; policy accept; }\n chain out { type filter hook output priority 0; policy accept; }\n}\n"
	some := ""
	if percent < 100 {
		some = fmt.Sprintf("numgen random mod 100 < %d ", percent)
	}
	for chain, side := range map[string]struct {
		field string
		addrs []string
	}{"in": {"saddr", from}, "out": {"daddr", to}} {
		for _, a := range side.addrs {
			rules += fmt.Sprintf("add rule ip lab %s ip %s %s %sdrop\n", chain, side.field, a, some)
		}
	}
	return l.filter(ctx, host, rules)
}

// Slow lets a host send no more than so many kilobits a second.
func (l *Lab) Slow(ctx context.Context, host string, kbit int) error {
	l.slow[host] = true
	return l.run(ctx, l.tools.TC, "-n", l.ns(host), "qdisc", "replace", "dev", "e0", "root", "tbf", "rate", strconv.Itoa(kbit)+"kbit", "burst", "16kb", "latency", "500ms")
}

// Heal ends everything that Loss and Slow have made at a host.
func (l *Lab) Heal(ctx context.Context, host string) error {
	if l.slow[host] {
		l.slow[host] = false
		if err := l.run(ctx, l.tools.TC, "-n", l.ns(host), "qdisc", "del", "dev", "e0", "root"); err != nil {
			return err
		}
	}
	return l.filter(ctx, host, "flush ruleset\n")
}

func (l *Lab) filter(ctx context.Context, host, rules string) error {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	args := append(l.Within(host), l.tools.NFT.Path, "-f", "-")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin = append(os.Environ(), l.tools.NFT.Env...), strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("filter at %s: %w\n%s", host, err, out)
	}
	return nil
}

func (l *Lab) run(ctx context.Context, p Tool, args ...string) error {
	_, err := l.output(ctx, p, args...)
	return err
}

func (l *Lab) output(ctx context.Context, p Tool, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = append(os.Environ(), p.Env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", p.Path, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (l *Lab) must(t testing.TB, p Tool, args ...string) string {
	t.Helper()
	out, err := l.output(t.Context(), p, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
