package operator

import (
	"testing"
	"time"
)

func TestReplicationOfBothServers(t *testing.T) {
	want := Replication{Source: "p:3306", SourceID: "1", Receiving: true, Behind: 7 * time.Second, Error: "duplicate entry"}
	for name, said := range map[string]map[string]string{
		"MySQL": {
			"Source_Host": "p", "Source_Port": "3306", "Source_Server_Id": "1", "Replica_IO_Running": "Yes", "Replica_SQL_Running": "No",
			"Seconds_Behind_Source": "7", "Last_SQL_Error": "duplicate entry",
		},
		"MariaDB": {
			"Master_Host": "p", "Master_Port": "3306", "Master_Server_Id": "1", "Slave_IO_Running": "Yes", "Slave_SQL_Running": "No",
			"Seconds_Behind_Master": "7", "Last_SQL_Error": "duplicate entry",
		},
	} {
		if got := replicationOf(said); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if got := replicationOf(map[string]string{"Replica_IO_Running": "Connecting"}); got.Receiving || got.Behind != 0 {
		t.Errorf("a replica that connects: %+v", got)
	}
}
