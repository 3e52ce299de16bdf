package grants

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chat-service/internal/broker"
	"chat-service/internal/broker/rights"
	"chat-service/internal/state"
	"chat-service/internal/store/operator"
)

// Server is one of the three.
type Server string

// The servers.
const (
	MySQL    Server = "mysql"
	RabbitMQ Server = "rabbitmq"
	Redis    Server = "redis"
)

// Servers lists them in the order in which users are made.
func Servers() []Server { return []Server{MySQL, RabbitMQ, Redis} }

// Plan is which users an installation has.
type Plan struct {
	Names    string // begins each user's name: "chat" makes chat_api, chat_worker …
	From     string // from where MySQL takes them; "%": anywhere
	Database string
	VHost    string
	Broker   broker.Options
	Redis    state.Options
	// Passwords is the folder of the password files; "": none is known.
	Passwords string
}

// prefix begins the names of queues.
func (p Plan) prefix() string { return p.Broker.WithDefaults().Prefix }

// User is one user on one server.
type User struct {
	Server Server
	Role   string
	Name   string
}

// File is the name of the user's password file.
func (u User) File() string { return string(u.Server) + "_" + u.Role }

// Users lists the users of a server.
func (p Plan) Users(s Server) (us []User) {
	add := func(role string) { us = append(us, User{s, role, p.Names + "_" + role}) }
	switch s {
	case MySQL:
		for _, r := range operator.Roles() {
			add(string(r))
		}
	case RabbitMQ:
		for _, r := range rights.Roles() {
			add(string(r))
		}
	case Redis:
		for _, r := range state.Roles() {
			add(string(r))
		}
	}
	return us
}

// Password reads a user's password. One that is missing is made if fresh is set: 130 random bits, for its owner's eyes only.
func (p Plan) Password(u User, fresh bool) (string, error) {
	if p.Passwords == "" {
		return "", errors.New("no folder for passwords is given")
	}
	path := filepath.Join(p.Passwords, u.File())
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && fresh {
		b = []byte(rand.Text())
		if err = os.MkdirAll(p.Passwords, 0o700); err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o600)
		}
	}
	if err != nil {
		return "", fmt.Errorf("password of %s: %w", u.Name, err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return "", fmt.Errorf("password of %s: %s is empty", u.Name, path)
	}
	return text, nil
}

func (p Plan) account(u User) operator.Account {
	return operator.Account{Name: u.Name, From: p.From, Role: operator.Role(u.Role)}
}

func (p Plan) rules(u User, hash string) []string {
	return p.Redis.Rights(state.Role(u.Role)).Rules(hash)
}

func (p Plan) rights(u User) rights.Rights { return p.Broker.Rights(rights.Role(u.Role)) }
