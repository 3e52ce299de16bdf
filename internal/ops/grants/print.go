package grants

import (
	"fmt"
	"io"
	"strings"

	"chat-service/internal/broker"
	"chat-service/internal/broker/rights"
	"chat-service/internal/ops/management"
	"chat-service/internal/state"
	"chat-service/internal/store/operator"
)

// Print writes what an administrator would type for the users of one server. Passwords don't appear: MySQL's stand as <…>, which the
// server refuses, RabbitMQ's are read from their files, and of Redis' there are hashes.
func (p Plan) Print(w io.Writer, s Server) error {
	var b strings.Builder
	b.WriteString(p.heading(s))
	for _, u := range p.Users(s) {
		switch s {
		case MySQL:
			p.printSQL(&b, u)
		case RabbitMQ:
			r := p.rights(u)
			fmt.Fprintf(&b, "rabbitmqctl add_user %s < %s\n", shell(u.Name), shell(p.file(u)))
			fmt.Fprintf(&b, "rabbitmqctl set_permissions -p %s %s %s %s %s\n", shell(p.VHost), shell(u.Name), shell(r.Configure), shell(r.Write), shell(r.Read))
		case Redis:
			hash := "<SHA-256 of the password in " + u.File() + ">"
			if text, err := p.Password(u, false); err == nil {
				hash = state.PasswordHash(text)
			}
			fmt.Fprintf(&b, "ACL SETUSER %s %s\n", u.Name, strings.Join(p.rules(u, hash), " "))
		}
	}
	if s == RabbitMQ {
		b.WriteString(management.ConsumerPolicy(p.prefix()).Command(p.VHost) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// heading says what the lines are for and where they go, as comments of MySQL's client and of a shell; Redis has none.
func (p Plan) heading(s Server) string {
	where := map[Server]string{
		MySQL:    "paste the statements into mysql, as an administrator and after chatctl migrate; put each password, quoted, in place of <…>",
		RabbitMQ: "run the commands in a shell on the broker's machine, as root or rabbitmq; the files hold the passwords",
		Redis:    "paste the lines into redis-cli, without these comments, as an administrator; then ACL SAVE, if there is an aclfile",
	}[s]
	text := fmt.Sprintf("# %s: a user for each process, with the rights that it needs.\n# Here: %s.\n"+
		"# Or have chatctl do it: chatctl grants --apply --passwords DIR makes the users, and the password files that are missing.\n", s, where)
	if s == RabbitMQ {
		text += "# The last line is for RabbitMQ 4.3 and later, which would wait a minute for the consumer of a lost node; earlier ones refuse it.\n"
	}
	if p.Passwords == "" {
		text += "# --passwords DIR alone fills in what is known from the password files here: their paths, and the hashes for Redis.\n"
	}
	return text
}

func (p Plan) printSQL(b *strings.Builder, u User) {
	a := p.account(u)
	fmt.Fprintf(b, "CREATE USER IF NOT EXISTS %s IDENTIFIED BY <the password in %s>;\n", a, p.file(u))
	for _, q := range a.Grants(p.Database) {
		b.WriteString(q + ";\n")
	}
}

func (p Plan) file(u User) string {
	if p.Passwords == "" {
		return u.File()
	}
	return strings.TrimRight(p.Passwords, "/") + "/" + u.File()
}

// shell quotes a word for a POSIX shell.
func shell(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Need is a line of what the roles need: an object on a server, and by role what may be done with it.
type Need struct {
	Server, Object string
	By             map[string]string
}

// Needs lists what every role needs, for documents.
func Needs() (needs []Need) {
	for _, t := range operator.AllRights() {
		by := map[string]string{}
		for _, r := range operator.Roles() {
			if text := t.Of(r); text != "" {
				by[string(r)] = text
			}
		}
		needs = append(needs, Need{"MySQL", t.Table, by})
	}
	needs = append(needs, Need{"MySQL", "the database", map[string]string{string(operator.MigrationRole): operator.MigrationRights}})
	bus := map[string]map[string]string{"configure": {}, "write": {}, "read": {}}
	for _, r := range rights.Roles() {
		rights := broker.Options{}.Rights(r)
		bus["configure"][string(r)], bus["write"][string(r)], bus["read"][string(r)] = rights.Configure, rights.Write, rights.Read
	}
	for _, verb := range []string{"configure", "write", "read"} {
		needs = append(needs, Need{"RabbitMQ", verb, bus[verb]})
	}
	cache := map[string]map[string]string{"commands": {}, "keys": {}, "keys, read only": {}, "keys, write only": {}, "channels": {}}
	for _, r := range state.Roles() {
		rights := state.Options{}.Rights(r)
		cache["commands"][string(r)] = strings.Join(rights.Commands, " ")
		cache["keys"][string(r)] = strings.Join(rights.Keys, " ")
		cache["keys, read only"][string(r)] = strings.Join(rights.Reads, " ")
		cache["keys, write only"][string(r)] = strings.Join(rights.Writes, " ")
		cache["channels"][string(r)] = strings.Join(rights.Channels, " ")
	}
	for _, what := range []string{"commands", "keys", "keys, read only", "keys, write only", "channels"} {
		needs = append(needs, Need{"Redis", what, cache[what]})
	}
	return needs
}
