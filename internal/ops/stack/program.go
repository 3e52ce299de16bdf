package stack

import (
	"context"
	"fmt"
	"path/filepath"
)

// Program is a program for tests that isn't one of the servers.
type Program struct {
	Path string   // the program
	Env  []string // variables that it needs over those of this process
	From string   // for people: where it comes from
}

// FindProxy returns this machine's nginx or haproxy, or downloads Debian's package of it into the cache and unpacks it there.
func FindProxy(ctx context.Context, cache string, out *Progress, name string) (Program, error) {
	if p, err := (install{}).program(name); err == nil {
		return Program{Path: p, From: p}, nil
	}
	in, err := unpackProgram(ctx, cache, out, name)
	if err != nil {
		return Program{}, err
	}
	path, err := in.program(name)
	if err != nil {
		return Program{}, fmt.Errorf("no %s in the packages: %w", name, err)
	}
	return Program{Path: path, Env: []string{"LD_LIBRARY_PATH=" + in.libraries()}, From: "package " + name}, nil
}

// unpackProgram downloads a program's package into the cache and unpacks it there.
func unpackProgram(ctx context.Context, cache string, out *Progress, name string) (install, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return install{}, fmt.Errorf("resolve package cache: %w", err)
	}
	root, err := newApt(cache, out).root(ctx, bundle{name: name, packages: []string{name}})
	if err != nil {
		return install{}, fmt.Errorf("no %[1]s: install it (apt-get install %[1]s), or let apt work: %[2]w", name, err)
	}
	return install{root: root}, nil
}
