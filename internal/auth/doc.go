// Package auth hashes passwords, and issues and verifies the tokens of login sessions.
//
// It owns argon2id and its bound on memory and processors, the policy for new passwords, access tokens (JWT, HS256) and
// the form of refresh tokens. It stores nothing: users, sessions and refresh-token families belong to the store.
//
// It refuses every token that it would not have issued itself: another algorithm, no expiry, another issuer, audience
// or type, an unknown key id, unusual base64, duplicate claims, more than MaxTokenBytes. A caller learns only one of
// two kinds: chat.TokenExpired (a token of ours whose time is over) or chat.Unauthenticated (anything else).
//
// Foreigns judges tokens of the application's own issuers, which are traded for ours and used for nothing else. The algorithm follows from
// the key (HS256, RS256, ES256, EdDSA); keys are a secret, a public key or a JSON Web Key Set, which RemoteKeys fetches within bounds and
// keeps while its address is down.
package auth
