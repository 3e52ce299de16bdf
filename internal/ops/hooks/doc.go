// Package hooks is `chatctl webhook`: an operator makes, disables and deletes endpoints that are told of events, sees how they do, and has
// them told again. Which installation that is about, and how it prints, its command says by a Desk.
package hooks
