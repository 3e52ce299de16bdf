package names

import (
	"net/url"
	"strings"

	"golang.org/x/text/unicode/norm"

	"chat-service/internal/chat"
)

// maxNickname is the length of a nickname in characters (MeBody).
const maxNickname = 64

// MaxPicture is the length of an address of a picture in bytes (MeBody).
const MaxPicture = 512

// Nickname makes a nickname of a name that its user didn't type here, "" if it can't be one: a bad name is no reason to keep somebody out.
func Nickname(name string) string {
	name = strings.TrimSpace(norm.NFC.String(name))
	if runes := []rune(name); len(runes) > maxNickname {
		name = strings.TrimSpace(string(runes[:maxNickname]))
	}
	if chat.CheckLine("name", name, 1, maxNickname) != nil {
		return ""
	}
	return name
}

// WebURL reports whether s may be shown as a picture: empty, or a web address that carries no password.
func WebURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.User == nil &&
		(u.Scheme == "https" || u.Scheme == "http")
}
