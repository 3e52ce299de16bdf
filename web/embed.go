// Package web is the demonstration page: a small chat client that browsers load from the api.
//
// It owns static files only (HTML, CSS, ES modules; no build step, no dependency) and the headers that they need. It
// refuses scripts and styles from anywhere else, so that a message can never become code.
package web

import "embed"

// ContentSecurityPolicy is the header value that the files are served with.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Files holds the page: index.html and what it loads.
//
//go:embed index.html style.css favicon.svg app.js chat-api.js chat-client.js dialogs.js i18n.js model.js view.js
var Files embed.FS
