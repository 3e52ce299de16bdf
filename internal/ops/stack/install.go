package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// install says where a server's programs are and what they need to run.
type install struct {
	root   string // "" = this machine's own programs
	from   string // for people: where the programs come from
	server string // the server's main program
	mysql  bool   // real MySQL, not MariaDB
	sid    bool   // of Debian's sid: its programs need its own C library
}

// errNoPrograms: a source doesn't have the server's programs; the next one is tried.
var errNoPrograms = errors.New("programs not found")

// program finds name below the root, or on PATH and in the folders where Debian installs servers.
func (in install) program(name string) (string, error) {
	dirs := []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/rabbitmq/bin", "/usr/lib/erlang/bin"}
	if in.root == "" {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
		dirs = append(dirs, "/usr/local/sbin", "/usr/local/bin")
	}
	for _, d := range dirs {
		p := filepath.Join(in.root, d, name)
		if st, err := os.Stat(p); err == nil && !st.IsDir() {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, errNoPrograms)
}

// libraries lists the unpacked library folders for LD_LIBRARY_PATH.
func (in install) libraries() string {
	var dirs []string
	for _, pattern := range []string{"usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib/*-linux-*/systemd", "usr/lib", "lib"} {
		found, _ := filepath.Glob(filepath.Join(in.root, pattern))
		dirs = append(dirs, found...)
	}
	return strings.Join(dirs, ":")
}

// environ is the environment for the programs: short and the same everywhere, so that settings of this machine's
// own servers (RABBITMQ_…, MYSQL_…) cannot reach the private ones.
func (in install) environ(extra ...string) []string {
	path := os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin"
	env := []string{"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TMPDIR=" + os.TempDir()}
	if in.root != "" {
		path = filepath.Join(in.root, "usr/bin") + ":" + filepath.Join(in.root, "usr/sbin") + ":" + path
		if !in.sid {
			env = append(env, "LD_LIBRARY_PATH="+in.libraries())
		}
	}
	return append(append(env, "PATH="+path), extra...)
}

// local finds the kind's programs on this machine.
func local(ctx context.Context, k Kind) (install, error) {
	in := install{from: "this machine"}
	names := map[Kind][]string{
		MySQL: {"mariadbd", "mysqld"}, MySQL8: {"mysqld"}, Redis: {"redis-server", "valkey-server"}, RabbitMQ: {"rabbitmq-server"},
	}[k]
	for _, name := range names {
		p, err := in.program(name)
		if k == RabbitMQ {
			p, err = rabbitScript(in)
		}
		if err != nil {
			continue
		}
		in.server = p
		if k == MySQL || k == MySQL8 {
			text, err := exec.CommandContext(ctx, p, "--no-defaults", "--version").Output()
			if err != nil {
				continue
			}
			in.mysql = !strings.Contains(string(text), "MariaDB")
			if k == MySQL8 && !in.mysql {
				continue
			}
		}
		in.from = p
		return in, nil
	}
	return install{}, fmt.Errorf("%s: %w", k, errNoPrograms)
}

// rabbitScript is the server's own start script: the one in sbin would switch to another user.
func rabbitScript(in install) (string, error) {
	for _, pattern := range []string{"usr/lib/rabbitmq/bin/rabbitmq-server", "usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server", "opt/rabbitmq*/sbin/rabbitmq-server"} {
		found, _ := filepath.Glob(filepath.Join("/", in.root, pattern))
		if len(found) > 0 {
			_, err := in.program("erl")
			return found[0], err
		}
	}
	return "", fmt.Errorf("rabbitmq-server: %w", errNoPrograms)
}

// packaged downloads the kind's programs.
func packaged(ctx context.Context, a *apt, k Kind) (install, error) {
	b := map[Kind]bundle{
		MySQL:    {name: "mariadb", packages: []string{"mariadb-server-core"}},
		Redis:    {name: "redis", packages: []string{"redis-server"}},
		RabbitMQ: {name: "rabbitmq", packages: []string{"rabbitmq-server"}},
		MySQL8:   {name: "mysql-sid", packages: []string{"mysql-server-core"}, sid: true},
	}[k]
	in, err := unpackedInstall(ctx, a, k, b)
	if errors.Is(err, errNoPrograms) {
		if err := a.spoil(b); err != nil {
			return install{}, fmt.Errorf("renew package root: %w", err)
		}
		in, err = unpackedInstall(ctx, a, k, b)
	}
	return in, err
}

func unpackedInstall(ctx context.Context, a *apt, k Kind, b bundle) (install, error) {
	root, err := a.root(ctx, b)
	if err != nil {
		return install{}, err
	}
	in := install{root: root, from: "packages " + strings.Join(b.packages, " "), mysql: k == MySQL8, sid: b.sid}
	switch k {
	case MySQL:
		in.server, err = in.program("mariadbd")
		if err == nil {
			_, err = systemTables(in)
		}
	case MySQL8:
		in.server, err = in.program("mysqld")
	case Redis:
		in.server, err = in.program("redis-server")
	default:
		in.server, err = rabbitScript(in)
	}
	return in, err
}

// command returns how to run one of the install's programs: those of sid only run under sid's own loader.
func (in install) command(program string, args ...string) (string, []string, error) {
	if in.root == "" || !in.sid {
		return program, args, nil
	}
	for _, pattern := range []string{"usr/lib*/ld-linux-*.so.*", "usr/lib/*/ld-linux-*.so.*", "lib*/ld-linux-*.so.*"} {
		if found, _ := filepath.Glob(filepath.Join(in.root, pattern)); len(found) > 0 {
			return found[0], append([]string{"--library-path", in.libraries(), program}, args...), nil
		}
	}
	return "", nil, fmt.Errorf("dynamic loader under %s: %w", in.root, errNoPrograms)
}
