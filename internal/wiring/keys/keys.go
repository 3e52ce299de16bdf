package keys

import (
	"chat-service/internal/auth"
	"chat-service/internal/config"
)

// Of reads the keys, and says what a token made with them holds.
func Of(c config.JWT) (auth.TokenOptions, error) {
	ks, err := auth.KeyTexts{
		ID: c.KeyID, Secret: c.Secret.Reveal(), Private: c.PrivateKey.Reveal(), Secrets: named(c.Keys), Publics: named(c.PublicKeys),
	}.Keys()
	return auth.TokenOptions{Keys: ks, Issuer: c.Issuer, Audience: c.Audience, Lifetime: c.Expire(), Leeway: c.Leeway.D()}, err
}

func named(list []config.NamedSecret) (ks []auth.NamedKey) {
	for _, k := range list {
		ks = append(ks, auth.NamedKey{ID: k.Name, Text: k.Secret.Reveal()})
	}
	return ks
}
