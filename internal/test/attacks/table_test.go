//go:build e2e

package attacks

// row is an attack and what must be answered. Its id is that of the research (reliability.md §4) or of a fault found (faults.md §2).
type row struct {
	id, attack, expected string
	differs              string // what PROTOCOL.md, which stands, says otherwise than the research; "": nothing
	run                  func(*attack)
	alone                bool // runs when those that can run side by side have, one at a time
}

// rows are all attacks, by family.
var rows = []struct {
	family string
	rows   []row
}{
	{"WebSocket handshake and session", []row{
		{"WS-1", "a page of another origin, by 18 spellings", "403 before the upgrade, counted", "", foreignOrigins, false},
		{"WS-2", "no Origin, a cookie in place of a token", "a token is enough; a cookie is none", "", noOrigin, false},
		{"WS-3", "token in the query", "not in any log", "the query is one of four ways, taken by default; there are no tickets", tokenInQuery, false},
		{"WS-5", "1,000 sockets that say nothing", "4501 after 5 s, at most 32 KiB each meanwhile", "", silentSockets, false},
		{"WS-6", "any frame before auth", "4501, nothing is done", "", beforeAuth, false},
		{"WS-7", "the token expires while connected", "4001 at most 6 s later; auth with a newer one keeps the socket", "no warning 60 s before", tokenExpires, false},
		{"WS-8", "logout, password, ban, end of a session, lost notice", "4502 or 4504 within 2 s, a lost one within 60 s", "", sessionsEnd, false},
		{"WS-9", "auth with another user's token", "4501; the socket never acts for another", "", anothersToken, false},
		{"WS-10", "message, read, REST after leaving the room", "not_found at once", "", afterLeaving, false},
		{"WS-11", "64 KiB and a byte, in one or many frames, or only announced", "1009, memory bounded", "a message holds 16 KiB, a frame 64 KiB", longFrames, false},
		{"WS-12", "compression", "not negotiated; 1002 for its bit", "", compression, false},
		{"WS-13", "invalid UTF-8, whole and in fragments", "1007", "", invalidUTF8, false},
		{"WS-14", "50 malformed frames, floods of tiny ones", "its close code each, neighbours unaffected", "", malformedFrames, false},
		{"WS-15", "300 messages at once, then on", "rate_limited with the time to wait, then 4004", "50/s after a burst of 200", tooManyFrames, false},
		{"WS-16", "an 11th socket of one session", "4505; nobody else is closed", "10 per login session; per user and address: G7", tooManySockets, false},
		{"WS-17", "a client that stops reading", "4002; what was sent is there", "", stopsReading, false},
		{"WS-18", "a request by a byte a second: line, head, body; api and gateway", "closed within 10 s", "", slowRequests, false},
		{"WS-19", "plain connections in production", "HSTS on every answer; plain AMQP to another machine is warned of", "no process speaks TLS itself: it ends at the proxy, which can't be known from inside", plainSockets, false},
	}},
	{"Access tokens", []row{
		{"J-1", "alg none, other algorithms and cases, empty key", "401, 4500", "", otherAlgorithms, false},
		{"J-2", "no exp, or one of another type", "401, 4500", "", withoutEnd, false},
		{"J-3", "empty, short, known, patterned keys", "refuses to start in release mode; an empty one always", "", weakKeys, false},
		{"J-4", "other iss, aud, typ, sub, sid; a refresh token as access token and back", "401, 4500", "", otherPurposes, false},
		{"J-5", "kid as path, SQL, URL; jku, x5u, jwk", "401, 4500", "", keyNames, false},
		{"J-6", "keys rotate", "old and new work in the overlap, the old one fails after it", "", keyRotation, false},
		{"J-7", "a megabyte of token, thousands of dots", "401 or 431 at once", "", longTokens, false},
		{"J-8", "flipped bits, trailing data, padding, claims twice", "401, 4500", "", spoiltTokens, false},
	}},
	{"Refresh tokens", []row{
		{"R-1", "read them from the database", "only SHA-256 of 256 random bits is there", "", refreshStored, false},
		{"R-2", "use one", "one successor each, one session", "", refreshOnce, false},
		{"R-3", "replay a used one after the grace", "the session ends with its sockets; in the audit trail", "", refreshReplayed, false},
		{"R-4", "20 at once with one token, at two processes", "one successor for all", "", refreshInParallel, false},
		{"R-5", "idle for 7 days, older than 30", "401, 4502", "", sessionsAge, false},
		{"R-6", "logout-all", "every session, token and socket ends", "", logoutAll, false},
	}},
	{"Login and passwords", []row{
		{"P-1", "read hashes from the database", "argon2id, m=19456, t=2, p=1; weaker ones renewed at login", "", hashes, false},
		{"P-2", "unknown name against wrong password", "the same answer; the quickest tenths within a fifth", "", unknownOrWrong, true},
		{"P-3", "10 MiB password, 100 KiB name, 1,025 bytes", "413, 422 before hashing; 1,024 bytes work whole", "", longPasswords, false},
		{"P-4", "200 logins at once", "a hash per two processors, a queue of 128, then 503; memory bounded; messages go on", "", manyLogins, true},
		{"P-5", "100 guesses from 100 addresses; one password on many accounts", "20 and some are judged; 40 an hour; nobody is locked out", "", spreadGuesses, false},
		{"P-6", "forged X-Forwarded-For and its kin", "the peer's address, or the last one that a trusted proxy saw", "", forwardedFor, false},
		{"P-7", "who has an account?", "logins don't tell", "registration says username_taken and email_taken; there is no reset", whoHasAnAccount, false},
		{"P-8", "common passwords, the name as password", "422 in release mode; long and odd ones pass", "", commonPasswords, false},
	}},
	{"Authorisation", []row{
		{"A-1", "rooms of others, on every route and frame about a room", "404 as for no room, to the letter", "", otherRooms, false},
		{"A-2", "history before joining and after leaving", "not shown by any parameter", "values out of range are 422, not clamped", historyBounds, false},
		{"A-3", "is_admin, sender_id … in every body and frame", "400 unknown_field", "", extraFields, false},
		{"A-4", "member_ids: 501, none such, negative, text, twice", "422 for the whole, nothing half-made", "422 in place of 400 or 403", memberIDs, false},
		{"A-5", "read pointers: back, beyond, another's", "never back, clamped, no such field", "", readPointers, false},
		{"A-6", "presence and typing of strangers", "404, not shown, not relayed", "", strangersPresence, false},
		{"A-7", "removal against sends, 40 rounds", "no message after the removal", "", kickAndSend, false},
		{"A-8", "a stolen user of a gateway or worker at the broker", "ACCESS_REFUSED for queues and exchanges of others, and for a gateway also by the default exchange", "envelopes are checked when they are read, and set aside", stolenBrokerUser, false},
		{"A-9", "webhooks to this machine and private networks: 34 spellings, names, rows in the database", "422; never dialled", "", webhooksInside, false},
	}},
	{"Injection and parsing", []row{
		{"Q-1", "28 SQL fragments in ids, cursors, numbers, searches, names", "4xx or a plain search; no broken statement", "", sqlMeta, false},
		{"Q-2", "cursors changed at each place", "400 or 422 invalid", "", cursors, false},
		{"Q-3", "JSON: twice, trailing, deep, cased, big numbers", "400, invalid", "", strictJSON, false},
		{"Q-4", "controls, bidi, combining marks, ZWJ, NUL, normal forms", "stored to the letter, or refused by rule", "", strangeTexts, false},
		{"Q-5", "CR, LF, ANSI in every input", "each log line is one JSON object", "", logLines, false},
		{"Q-6", "scripts in names and texts", "JSON, nosniff, CSP without inline; the page makes no markup", "", storedScripts, false},
		{"Q-7", "32 users at once, each with an own word", "nobody gets another's", "", mixedUp, false},
	}},
	{"HTTP surface", []row{
		{"H-1", "pages of other origins", "no CORS header; exact ones without credentials; * refused in release mode", "", otherPages, false},
		{"H-2", "answers without protection", "nosniff, no-referrer, DENY, CSP, no-store, HSTS in release mode", "", answersHeaders, false},
		{"H-3", "large bodies, TRACE and others, other media", "413, 405 or 501, 415", "", bodiesAndMethods, false},
		{"H-4", "which software is it?", "no Server, no X-Powered-By", "", serverHeaders, false},
		{"H-5", "28 requests with a second one inside", "4xx or 501 and the connection ends", "", smuggling, false},
		{"H-6", "a panic in a handler", "500 without details, the process goes on, the stack in the log", "", handlerPanics, false},
	}},
	{"Exposure, secrets, logs", []row{
		{"E-1", "operators' pages on public ports", "404; the debug listener is on loopback", "", operatorsPages, false},
		{"E-2", "release mode with default secrets, *, cheap hashes", "refuses to start, by name", "", releaseRefuses, false},
		{"E-3", "secrets and texts sent everywhere, debug level", "none in logs, metrics, profiles, the audit trail", "", secretsTold, true},
		{"E-4", "secrets from files, in errors", "read; both ways at once refused; never printed", "", secretsFromFiles, false},
		{"E-5", "a crash", "its output holds no secret and no variable", "", crash, false},
	}},
	{"Backing services", []row{
		{"B-1", "servers with certificates of others, of another name, with TLS 1.1", "nothing is sent to them; the process ends", "", untrustedServers, false},
		{"B-2", "a stolen SQL user", "no DDL, no grants, no files, no other's columns", "", stolenSQLUser, false},
		{"B-3", "a stolen Redis user", "NOPERM for other keys and commands", "", stolenRedisUser, false},
		{"B-4", "the broker's administration with a process's user; guest in release mode", "401; refuses to start", "", brokerAdministration, false},
		{"B-5", "known holes in libraries", "versions at or above the mended ones", "", versions, false},
	}},
	{"Faults found by trying", []row{
		{"G1", "100 parallel logins at one account by three names", "3 and some are judged", "", parallelGuesses, false},
		{"G2", "40 wrong logins by a stranger", "the owner gets in, and may change the password", "", lockedOut, false},
		{"G3", "compose.yaml", "own users, release mode, exact tags, a trusted balancer, one port", "", composeFile, false},
		{"G4", "the private database, from another account", "no password, no access; no file is written", "", privateDatabase, false},
		{"G5", "an abuser", "disabled at once, 4504, 403 blocked; enabled again", "", abuser, false},
		{"G6", "watch somebody, then be removed from the last shared room", "no further presence", "", presenceAfterRemoval, false},
		{"G7", "searches, rooms, messages, sockets of one user, silent sockets and junk tokens of one address", "429, 4505, 503 beyond each bound", "", floods, true},
		{"G9", "a search without a hit among 20,000 public rooms", "found by an index", "", searchWithoutHit, true},
		{"G10", "release mode with guessable secrets, root, plain connections", "refused or warned of, by name", "", checkedConfiguration, false},
		{"G11", "invisible, mixed, reserved names; blank-looking texts", "422", "", misleadingNames, false},
		{"G12", "one password typed composed and decomposed", "one password", "", typedElsewhere, false},
		{"G13", "changed cursors", "400 or 422 invalid", "", cursors, false},
		{"G14", "one-byte close, long lengths, empty floods, depth, keys 01", "1002, 4004, invalid", "", webSocketLetters, false},
		{"G15", "Summer2026 and its kin", "422 in release mode", "", seasonalPasswords, false},
		{"G16", "the debug listener by a foreign Host", "421", "", rebinding, false},
		{"G17", "history_all by an admin who comes again; ownership not asked for", "the past stays hidden; it can be handed back", "", ownActs, false},
	}},
}

// absent are ids that have no row here, and why.
var absent = map[string]string{
	"WS-4": "tickets are not in PROTOCOL.md",
	"R-7":  "cookies are not in PROTOCOL.md",
	"G8":   "blocks, bans, hiding, consent come with PROTOCOL.md's second edition",
}

// families is how many ids each has.
var families = map[string]int{"WS-": 19, "J-": 8, "R-": 7, "P-": 8, "A-": 9, "Q-": 7, "H-": 6, "E-": 5, "B-": 5, "G": 17}
