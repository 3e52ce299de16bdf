package testkit

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// standIn plays a program of the product, when the test binary was started under its name.
func standIn() bool {
	name := filepath.Base(os.Args[0])
	switch name {
	case "chatctl":
		fmt.Println("migrated", os.Getenv("CHAT_DATABASE_DBNAME"))
		return true
	case "gateway", "worker", "api":
		fmt.Println("args", os.Args[1:], "id", os.Getenv("CHAT_GATEWAY_ID"), "extra", os.Getenv("CHAT_EXTRA"), "own", os.Getenv("CHAT_OWN"), "tests", os.Getenv(RedisVar))
		if name != "worker" {
			l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("CHAT_SERVER_HOST"), os.Getenv("CHAT_SERVER_PORT")))
			if err != nil {
				fmt.Println(err)
				return true
			}
			defer l.Close()
		}
		addr := net.JoinHostPort(os.Getenv("CHAT_DEBUG_HOST"), os.Getenv("CHAT_DEBUG_PORT"))
		server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		fmt.Println(server.ListenAndServe())
		return true
	}
	return false
}
