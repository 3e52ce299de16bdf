package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
)

// keyCmd is `chatctl key`.
type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key and print it, once."`
	List   keyListCmd   `cmd:"" help:"List keys, without what is secret in them."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key for good, within 3 s everywhere."`
}

// maxKeyName is the length of a key's name in characters.
const maxKeyName = 64

// keyCreateCmd is `chatctl key create`.
type keyCreateCmd struct {
	Name    string        `required:"" help:"What the key is for, for people to read."`
	Scope   []string      `required:"" placeholder:"SCOPE" help:"What the key may do."`
	Expires time.Duration `placeholder:"TIME" help:"It ends after this time, such as 720h. Left out: never."`
}

// Help lists the scopes and shows an example.
func (*keyCreateCmd) Help() string {
	var b strings.Builder
	b.WriteString("The application's backend calls /api/v1/server with the key. It is printed once and stored nowhere: only its hash is kept.\n\n")
	for _, s := range chat.ScopeSpecs() {
		fmt.Fprintf(&b, "  %-12s %s\n", s.Scope, s.Doc)
	}
	b.WriteString("\n  chatctl key create --name backend --scope users,tokens,rooms --expires 8760h")
	return b.String()
}

// key checks the flags.
func (c *keyCreateCmd) key(now time.Time) (text string, k chat.Key, err error) {
	text, k = auth.NewKey()
	k.Name, k.CreatedAt = strings.TrimSpace(c.Name), now
	if err := chat.CheckLine("name", k.Name, 1, maxKeyName); err != nil {
		return "", k, flagError(err)
	}
	for _, s := range c.Scope {
		scope := chat.Scope(strings.TrimSpace(s))
		if !scope.Known() {
			return "", k, fmt.Errorf("--scope: there is no scope %q: see chatctl key create --help", s)
		}
		if !k.May(scope) {
			k.Scopes = append(k.Scopes, scope)
		}
	}
	switch {
	case len(k.Scopes) == 0:
		return "", k, errors.New("--scope: a key without a scope may do nothing")
	case c.Expires < 0:
		return "", k, errors.New("--expires: must not be negative")
	case c.Expires > 0:
		k.ExpiresAt = now.Add(c.Expires)
	}
	return text, k, nil
}

// flagError says which flag is at fault, where the check of a field does.
func flagError(err error) error { return errors.New("--" + chat.As(err).Msg) }

// Run makes the key. Only the key itself goes to standard output, so that it can be put into a file.
func (c *keyCreateCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	text, k, err := c.key(time.Now())
	if err != nil {
		return err
	}
	return act(ctx, s, func(ctx context.Context, db *store.Store) error {
		if err := db.Accounts.CreateKey(ctx, k); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(io.out, text); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.err, "key %s (%s) is made: keep it, it can't be shown again\n", k.ID, k.Name)
		return err
	})
}

// keyListCmd is `chatctl key list`.
type keyListCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help shows an example.
func (*keyListCmd) Help() string {
	return "The last use is exact to a minute.\n\n  chatctl key list --json"
}

// keyView is what an operator sees of a key.
type keyView struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	Scopes     []chat.Scope `json:"scopes"`
	CreatedAt  time.Time    `json:"created_at"`
	ExpiresAt  time.Time    `json:"expires_at,omitzero"`
	LastUsedAt time.Time    `json:"last_used_at,omitzero"`
	RevokedAt  time.Time    `json:"revoked_at,omitzero"`
}

// Run lists.
func (c *keyListCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error {
		ks, err := db.Accounts.Keys(ctx)
		if err != nil {
			return err
		}
		views := make([]keyView, len(ks))
		rows := [][]string{{"ID", "NAME", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "REVOKED"}}
		for i, k := range ks {
			views[i] = keyView{k.ID, k.Name, slices.Clone(k.Scopes), k.CreatedAt, k.ExpiresAt, k.LastUsedAt, k.RevokedAt}
			rows = append(rows, []string{
				k.ID, oneLine(k.Name, maxKeyName), strings.Trim(strings.ReplaceAll(fmt.Sprint(k.Scopes), " ", ","), "[]"),
				timeText(k.CreatedAt), timeText(k.LastUsedAt), timeText(k.ExpiresAt), timeText(k.RevokedAt),
			})
		}
		if c.JSON {
			return io.printJSON(map[string]any{"keys": views})
		}
		return io.printRows(rows)
	})
}

// keyRevokeCmd is `chatctl key revoke`.
type keyRevokeCmd struct {
	ID string `arg:"" help:"The key's id: the part after sk_, up to the next _."`
}

// Help shows an example.
func (*keyRevokeCmd) Help() string {
	return "Calls with the key are answered 401 from then on. What was done with it stays.\n\n  chatctl key revoke 6f1c0a4de2b39587"
}

// Run revokes.
func (c *keyRevokeCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return act(ctx, s, func(ctx context.Context, db *store.Store) error {
		if err := db.Accounts.RevokeKey(ctx, c.ID); chat.KindOf(err) == chat.NotFound {
			return fmt.Errorf("no key has the id %q: see chatctl key list", oneLine(c.ID, maxKeyName))
		} else if err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "key %s is revoked\n", c.ID)
		return err
	})
}
