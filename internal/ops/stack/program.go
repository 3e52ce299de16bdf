package stack

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Program is a program for tests that isn't one of the servers.
type Program struct {
	Path string   // the program, or what loads it
	Args []string // in front of the others
	Env  []string // variables that it needs over those of this process
	From string   // for people: where it comes from
}

// proxyVersions are the first releases that do what deployments asks of them.
var proxyVersions = map[string][]int{"haproxy": {3, 2, 4}} // error files for requests that can't be parsed

// FindProxy returns this machine's nginx or haproxy if it is new enough, or downloads Debian's package of it into the cache and unpacks it
// there. HAProxy is that of sid, complete with its own C library: stable releases have one that is years behind what is deployed.
func FindProxy(ctx context.Context, cache string, out *Progress, name string) (Program, error) {
	if p, err := (install{}).program(name); err == nil && slices.Compare(versionOf(ctx, p), proxyVersions[name]) >= 0 {
		return Program{Path: p, From: p}, nil
	}
	b := bundle{name: name, packages: []string{name}}
	if name == "haproxy" {
		b.name, b.sid = "haproxy-sid", true
	}
	in, err := unpackProgram(ctx, cache, out, b)
	if err != nil {
		return Program{}, err
	}
	path, err := in.program(name)
	if err != nil {
		return Program{}, fmt.Errorf("no %s in the packages: %w", name, err)
	}
	p := Program{Path: path, From: "package " + name}
	if !b.sid {
		p.Env = []string{"LD_LIBRARY_PATH=" + in.libraries()}
		return p, nil
	}
	p.Path, p.Args, err = in.command(path)
	return p, err
}

// FindTool returns a program of this machine, or downloads Debian's package of it into the cache and unpacks it there.
func FindTool(ctx context.Context, cache string, out *Progress, name, pkg string) (Program, error) {
	if p, err := (install{}).program(name); err == nil {
		return Program{Path: p, From: p}, nil
	}
	in, err := unpackProgram(ctx, cache, out, bundle{name: pkg, packages: []string{pkg}})
	if err != nil {
		return Program{}, err
	}
	path, err := in.program(name)
	if err != nil {
		return Program{}, fmt.Errorf("no %s in the package %s: %w", name, pkg, err)
	}
	return Program{Path: path, From: "package " + pkg, Env: []string{"LD_LIBRARY_PATH=" + in.libraries()}}, nil
}

var versionText = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`)

// versionOf asks a program for its version; nil if it doesn't say.
func versionOf(ctx context.Context, path string) (version []int) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, "-v").CombinedOutput()
	if m := versionText.FindSubmatch(out); m != nil {
		for _, n := range m[1:] {
			i, _ := strconv.Atoi(string(n)) // digits
			version = append(version, i)
		}
	}
	return version
}

// unpackProgram downloads a program's package into the cache and unpacks it there.
func unpackProgram(ctx context.Context, cache string, out *Progress, b bundle) (install, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return install{}, fmt.Errorf("resolve package cache: %w", err)
	}
	root, err := newApt(cache, out).root(ctx, b)
	if err != nil {
		return install{}, fmt.Errorf("no %[1]s: install it (apt-get install %[1]s), or let apt work: %[2]w", b.packages[0], err)
	}
	return install{root: root, sid: b.sid}, nil
}
