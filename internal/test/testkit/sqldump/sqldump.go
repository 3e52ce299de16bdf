// Package sqldump writes a database to a file as mariadb-dump does, which is not among the private servers' packages.
package sqldump

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
)

// Dump writes what the database of a DSN has at one moment, as with --single-transaction.
func Dump(t testing.TB, dsn, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ParseTime = false // times as they are written
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	plain := sql.OpenDB(connector)
	defer plain.Close()
	conn, err := plain.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	do := func(q string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	do("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
	do("START TRANSACTION WITH CONSISTENT SNAPSHOT")
	fmt.Fprintf(f, "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n\n/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"+
		"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n")
	for _, name := range dumped(t, conn, "SHOW TABLES") {
		table := name[0]
		create := dumped(t, conn, "SHOW CREATE TABLE "+table)[0][1]
		fmt.Fprintf(f, "\n--\n-- Table structure for table `%s`\n--\n\nDROP TABLE IF EXISTS `%s`;\n%s;\n\nLOCK TABLES `%s` WRITE;\n/*!40000 ALTER TABLE `%s` DISABLE KEYS */;\n",
			table, table, create, table, table)
		var rows []string
		for _, row := range dumped(t, conn, "SELECT * FROM "+table) {
			rows = append(rows, "("+strings.Join(row, ",")+")")
		}
		if len(rows) > 0 {
			fmt.Fprintf(f, "INSERT INTO `%s` VALUES\n%s;\n", table, strings.Join(rows, ",\n"))
		}
		fmt.Fprintf(f, "/*!40000 ALTER TABLE `%s` ENABLE KEYS */;\nUNLOCK TABLES;\n", table)
	}
	fmt.Fprintf(f, "-- Dump completed on 2026-01-01  0:00:00\n")
	do("COMMIT")
}

// dumped are the rows of a query; those of a table are literals.
func dumped(t testing.TB, conn *sql.Conn, q string) (all [][]string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	literal := strings.HasPrefix(q, "SELECT")
	for rows.Next() {
		row, into := make([]sql.RawBytes, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, c := range row {
			switch {
			case !literal:
				texts = append(texts, string(c))
			case c == nil:
				texts = append(texts, "NULL")
			case strings.ContainsFunc(string(c), func(r rune) bool { return r < ' ' || r == utf8.RuneError }):
				texts = append(texts, "x'"+hex.EncodeToString(c)+"'")
			default:
				texts = append(texts, "'"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(string(c))+"'")
			}
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
