package auth

import "testing"

func TestRefreshTokensFollowFromEachOther(t *testing.T) {
	a, b := NewRefreshTokens([]byte("key")), NewRefreshTokens([]byte("key"))
	token, hash := a.NewRefresh()
	h1, next1, n1 := a.NextRefresh(token)
	h2, next2, n2 := b.NextRefresh(token)
	if h1 != hash || h2 != hash || next1 != next2 || n1 != n2 || next1 == token || n1 != HashRefresh(next1) {
		t.Error("two processes don't agree on what follows a refresh token")
	}
	if _, other, _ := NewRefreshTokens([]byte("another")).NextRefresh(token); other == next1 {
		t.Error("what follows a refresh token doesn't depend on the key")
	}
}
