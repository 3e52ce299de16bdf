package operator

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

// maria and mysql are what the two programs wrote, shortened.
const (
	maria = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n--\n-- Host: 127.0.0.1    Database: chat\n" +
		"/*!40101 SET NAMES utf8mb4 */;\n\n--\n-- Table structure for table `meta`\n--\n\nDROP TABLE IF EXISTS `meta`;\n" +
		"CREATE TABLE `meta` (\n  `k` varchar(64) NOT NULL,\n  PRIMARY KEY (`k`)\n) ENGINE=InnoDB COMMENT='a;b';\n" +
		"LOCK TABLES `meta` WRITE;\n/*!40000 ALTER TABLE `meta` DISABLE KEYS */;\nINSERT INTO `meta` VALUES\n('partitions','8'),\n('x','a;\\n-- b;\\n');\n" +
		"UNLOCK TABLES;\n\n-- Dump completed on 2026-01-02  3:04:05\n"
	mysql = "-- MySQL dump 10.13  Distrib 9.7.4\nSET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;\nSET @@SESSION.SQL_LOG_BIN= 0;\n" +
		"--\n-- GTID state at the beginning of the backup \n--\n\nSET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '1f:1-5,\n2f:1';\n" +
		"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `chat` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\nUSE `chat`;\n" +
		"INSERT INTO `meta` VALUES ('partitions','8');\nSET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;\n-- Dump completed on 2026-01-02  3:04:05\n"
)

func TestStatementsOfADump(t *testing.T) {
	for name, tt := range map[string]struct {
		dump string
		want []string
		says string
	}{
		"MariaDB": {dump: maria, want: []string{
			"/*!40101 SET NAMES utf8mb4 */", "DROP TABLE IF EXISTS `meta`",
			"CREATE TABLE `meta` (\n  `k` varchar(64) NOT NULL,\n  PRIMARY KEY (`k`)\n) ENGINE=InnoDB COMMENT='a;b'", "/*!40000 ALTER TABLE `meta` DISABLE KEYS */",
			"INSERT INTO `meta` VALUES\n('partitions','8'),\n('x','a;\\n-- b;\\n')",
		}},
		"MySQL":            {dump: mysql, want: []string{"INSERT INTO `meta` VALUES ('partitions','8')"}},
		"cut off":          {dump: maria[:len(maria)-60], says: "cut off"},
		"cut in a row":     {dump: maria[:strings.Index(maria, "8'),")], says: "cut off"},
		"empty":            {says: "cut off"},
		"another database": {dump: strings.ReplaceAll(mysql, "`chat`", "`other`"), says: "is of the database other, the installation's is chat"},
		"triggers":         {dump: "DELIMITER ;;\n" + maria, says: "triggers"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := Statements(strings.NewReader(tt.dump), "chat", func(q string, _ int64) error { got = append(got, q); return nil })
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || chat.KindOf(err) != chat.Invalid {
					t.Errorf("%v, want something about %q", err, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecorded(t *testing.T) {
	for text, want := range map[string]Recorded{
		"8": {Partitions: 8}, "16>8": {Partitions: 16, To: 8}, "restore:8": {Partitions: 8, Restoring: true},
	} {
		got, err := recordedOf(text)
		if err != nil || got != want || got.text() != text {
			t.Errorf("%s: %+v, %v, written %s", text, got, err, got.text())
		}
		if busy := got.Busy(); (busy != nil) != (text != "8") {
			t.Errorf("%s: %v", text, busy)
		}
	}
	for _, text := range []string{"", "x", "8>", ">8", "restore:"} {
		if got, err := recordedOf(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}
