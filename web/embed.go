// Package web is the demonstration page: a small chat client that browsers load from the api.
//
// It owns static files only: HTML, CSS and ES modules, without build step or dependency. It needs nothing inline and
// nothing from elsewhere, so that the api can forbid both, and writes people's words as text only: a message can never
// become code.
package web

import "embed"

// Files holds the page: index.html and what it loads.
//
//go:embed index.html style.css favicon.svg app.js changes.js chat-api.js chat-changes.js chat-client.js dialogs.js i18n.js model.js view.js
var Files embed.FS
