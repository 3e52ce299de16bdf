package webhook

import (
	"crypto/rand"

	"chat-service/internal/chat"
)

// Endpoints is what those need who make and change endpoints.
type Endpoints struct{ Private Networks }

// NewSecret makes the secret of an endpoint.
func (Endpoints) NewSecret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

// Check judges an endpoint's address when it is made, as far as that can be done without resolving its name; the rest is done at every
// post. private: the endpoint asks for private addresses. The error names the field at fault.
func (e Endpoints) Check(address string, private bool) error {
	if private && len(e.Private) == 0 {
		return chat.BadField("allow_private", "the operator allows no private addresses: webhooks.allow_private is empty")
	}
	if _, err := e.Private.parse(address, private); err != nil {
		return chat.BadField("url", "%s", chat.As(err).Msg)
	}
	return nil
}
