package stack

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// fromEnv is the Origin of a server that was given in the environment.
const fromEnv = "environment"

// Server is one running server.
type Server struct {
	Kind     Kind
	Host     string
	Port     int
	User     string
	Password string
	Database string
	URL      string // RabbitMQ given as a URL
	APIPort  int    // of RabbitMQ's HTTP API; 0: it has none
	EpmdPort int    // of RabbitMQ's port mapper
	Origin   string // where it came from, in words
	Program  string // the server's executable; "" when it is given or in a container
	// ProgramArgs stand in front of the executable's own arguments.
	ProgramArgs []string
	Environ     []string // environment that the executable needs

	main      *supervisor // nil when it runs in a container or was given
	helper    *supervisor
	container string
}

// Addr is host:port.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// AMQPURL is the broker's address with its account.
func (s Server) AMQPURL() string {
	if s.URL != "" {
		return s.URL
	}
	u := url.URL{Scheme: "amqp", User: url.UserPassword(s.User, s.Password), Host: s.Addr(), Path: "/"}
	return u.String()
}

// DSN is the database server's address in go-sql-driver's form, without a database.
func (s Server) DSN() string {
	return s.User + ":" + s.Password + "@tcp(" + s.Addr() + ")/"
}

// productVars names the variables that GivenInEnv reads.
var productVars = map[Kind]string{
	MySQL: "CHAT_DATABASE_HOST and CHAT_DATABASE_PORT", Redis: "CHAT_REDIS_HOST and CHAT_REDIS_PORT", RabbitMQ: "CHAT_RABBITMQ_URL",
}

var installNames = map[Kind]string{
	MySQL: "mariadb-server", Redis: "redis-server", RabbitMQ: "rabbitmq-server", MySQL8: "mysql-server 8 or 9",
}

// GivenInEnv reads a server's address from the product's own variables in this process's environment.
func GivenInEnv(k Kind) (Server, bool, error) { return given(k, os.Getenv) }

// given reads a server's address from the product's own variables.
func given(k Kind, getenv func(string) string) (Server, bool, error) {
	switch k {
	case MySQL:
		return givenAddr(k, "CHAT_DATABASE", getenv, Server{
			User: getenv("CHAT_DATABASE_USER"), Password: getenv("CHAT_DATABASE_PASSWORD"), Database: getenv("CHAT_DATABASE_DBNAME"),
		})
	case Redis:
		if first, _, _ := strings.Cut(getenv("CHAT_REDIS_ADDRS"), ","); first != "" {
			return givenHostPort(k, strings.TrimSpace(first), "CHAT_REDIS_ADDRS")
		}
		return givenAddr(k, "CHAT_REDIS", getenv, Server{Password: getenv("CHAT_REDIS_PASSWORD")})
	case RabbitMQ:
		for _, name := range []string{"CHAT_RABBITMQ_URLS", "CHAT_RABBITMQ_URL"} {
			text := getenv(name)
			if file := getenv(name + "_FILE"); file != "" {
				text = readTrimmed(file)
			}
			if first, _, _ := strings.Cut(text, ","); first != "" {
				return givenURL(strings.TrimSpace(first))
			}
		}
	}
	return Server{}, false, nil
}

var defaultPorts = map[Kind]string{MySQL: "3306", Redis: "6379"}

func givenAddr(k Kind, prefix string, getenv func(string) string, srv Server) (Server, bool, error) {
	host, port := getenv(prefix+"_HOST"), defaultPorts[k]
	if host == "" {
		return Server{}, false, nil
	}
	if p := getenv(prefix + "_PORT"); p != "" {
		port = p
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return Server{}, false, fmt.Errorf("%s_PORT=%q is not a port", prefix, port)
	}
	srv.Kind, srv.Host, srv.Port, srv.Origin = k, host, n, fromEnv
	return srv, true, nil
}

func givenHostPort(k Kind, addr, variable string) (Server, bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return Server{}, false, fmt.Errorf("%s: %q is not host:port", variable, addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return Server{}, false, fmt.Errorf("%s: %q is not a port", variable, port)
	}
	return Server{Kind: k, Host: host, Port: n, Origin: fromEnv}, true, nil
}

func givenURL(raw string) (Server, bool, error) {
	if raw == "" {
		return Server{}, false, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return Server{}, false, errors.New("CHAT_RABBITMQ_URL is not a URL such as amqp://user:password@host:5672/")
	}
	port := 5672
	if u.Scheme == "amqps" {
		port = 5671
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return Server{}, false, fmt.Errorf("CHAT_RABBITMQ_URL: port %q is not a port", u.Port())
		}
	}
	return Server{Kind: RabbitMQ, Host: u.Hostname(), Port: port, URL: raw, Origin: fromEnv}, true, nil
}
