package stack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	databaseName = "chat_service"
	databaseUser = "root"
)

// startMySQL starts MariaDB or MySQL on a data directory of its own, made on the first run. Root has a password of the run
// directory's own, because other accounts of this machine reach the loopback, too; and statements write no files.
func (s *Stack) startMySQL(ctx context.Context, k Kind, in install) (Server, error) {
	name := string(k)
	port, err := s.port(name)
	if err != nil {
		return Server{}, err
	}
	data := s.dir.DataPath(name)
	if in.mysql {
		data = s.dir.DataPath(name + "-real") // a data directory of one product must never be opened by the other
	}
	if err := s.initMySQL(ctx, name, data, in); err != nil {
		return Server{}, err
	}
	password, err := kept(s.dir.path, "mysql.password")
	if err != nil {
		return Server{}, err
	}
	initFile := data + ".init.sql"
	if err := writeFile(initFile, []byte(strings.ReplaceAll(s.initSQL(), "PASSWORD", password)), 0o600); err != nil {
		return Server{}, fmt.Errorf("start %s: %w", name, err)
	}
	args := append(baseArgs(in, data),
		fmt.Sprintf("--port=%d", port), "--bind-address="+s.host, "--socket=server.sock",
		"--pid-file="+filepath.Join(data, "server.pid"), "--init-file="+initFile,
		"--character-set-server=utf8mb4", "--max-connections=500", "--max-allowed-packet=64M",
		"--innodb-buffer-pool-size=256M", "--innodb-flush-log-at-trx-commit=1")
	if in.mysql {
		args = append(args, "--mysqlx=OFF", "--disable-log-bin", "--secure-file-priv=NULL")
	} else {
		none := data + ".files" // MariaDB knows no NULL here: a folder that nobody may write to
		if err := os.MkdirAll(none, 0o500); err != nil {
			return Server{}, fmt.Errorf("start %s: %w", name, err)
		}
		args = append(args, "--collation-server=utf8mb4_unicode_ci", "--secure-file-priv="+none)
	}
	path, args, err := in.command(in.server, append(args, s.extra[k]...)...)
	if err != nil {
		return Server{}, err
	}
	main, err := s.supervise(Spec{Name: name, Path: path, Args: args, Env: in.environ(), Cwd: data, Stop: 20 * time.Second})
	if err != nil {
		return Server{}, err
	}
	srv := Server{Kind: k, Host: s.host, Port: port, User: databaseUser, Password: password, Database: databaseName, Origin: in.from, main: main}
	return srv, s.await(ctx, srv, 60*time.Second)
}

// initSQL runs before the first client connects. 127.0.0.1 needs an account of its own in case names are not resolved.
// None of it is replicated: a replica has accounts of its own.
const initSQL = `SET sql_log_bin = 0;
CREATE DATABASE IF NOT EXISTS ` + databaseName + ` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY 'PASSWORD';
ALTER USER 'root'@'localhost' IDENTIFIED BY 'PASSWORD';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
`

// remoteSQL is for a server with an address of its own, which clients come to from others.
const remoteSQL = `CREATE USER IF NOT EXISTS 'root'@'%';
ALTER USER 'root'@'%' IDENTIFIED BY 'PASSWORD';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;
`

func (s *Stack) initSQL() string {
	if s.host == loopback {
		return initSQL
	}
	return initSQL + remoteSQL
}

// baseArgs are needed by every start, --no-defaults first: this machine's own configuration must not apply.
// MariaDB begins by deleting temporary tables, so each run directory has its own.
func baseArgs(in install, data string) []string {
	args := []string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + filepath.Dir(data)}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	if in.root == "" {
		return args
	}
	share, plugins := filepath.Join(in.root, "usr/share/mysql"), filepath.Join(in.root, "usr/lib/mysql/plugin")
	args = append(args, "--basedir="+filepath.Join(in.root, "usr"), "--plugin-dir="+plugins, "--character-sets-dir="+filepath.Join(share, "charsets"))
	if in.mysql {
		return append(args, "--lc-messages-dir="+share)
	}
	return append(args, "--lc-messages-dir="+filepath.Join(share))
}

// initMySQL creates the system tables in a temporary folder and renames it, so that a failed first run leaves
// no incomplete data directory.
func (s *Stack) initMySQL(ctx context.Context, name, data string, in install) error {
	if _, err := os.Stat(filepath.Join(data, "mysql")); err == nil {
		return nil
	}
	s.out.Say(name, "creating the system tables")
	fresh := data + ".tmp"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("create %s data: %w", name, err)
	}
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("create %s data: %w", name, err)
	}
	if err := os.MkdirAll(fresh, 0o700); err != nil {
		return fmt.Errorf("create %s data: %w", name, err)
	}
	args := baseArgs(in, fresh)
	var script []byte
	if in.mysql {
		args = append(args, "--initialize-insecure", "--character-set-server=utf8mb4")
	} else {
		var err error
		if script, err = systemTables(in); err != nil {
			return err
		}
		args = append(args, "--bootstrap", "--enforce-storage-engine=", "--log-warnings=0", "--max-allowed-packet=8M", "--net-buffer-length=16K")
	}
	path, args, err := in.command(in.server, args...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(in.environ(), markerEnv+"="+s.dir.path)
	cmd.Stdin = bytes.NewReader(script)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create %s data with %s: %w\n%s", name, in.server, err, text)
	}
	return os.Rename(fresh, data)
}

// systemTables joins MariaDB's own bootstrap scripts as mariadb-install-db does, without its shell.
func systemTables(in install) ([]byte, error) {
	script := []byte("create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n")
	for _, f := range []string{
		"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql",
		"maria_add_gis_sp_bootstrap.sql", "mysql_sys_schema.sql",
	} {
		found, err := sqlFile(in, f)
		if err != nil {
			return nil, err
		}
		script = append(append(script, found...), '\n')
	}
	return script, nil
}

func sqlFile(in install, name string) ([]byte, error) {
	dirs := []string{"usr/share/mysql", "usr/share/mariadb"}
	for _, d := range dirs {
		for _, n := range []string{name, "mariadb" + name[len("mysql"):]} {
			if b, err := os.ReadFile(filepath.Join("/", in.root, d, n)); err == nil {
				return b, nil
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", name, errNoPrograms)
}
