//go:build !probe

package line

// probeAnnouncers is empty in a release. See probe.go.
var probeAnnouncers []announcer
