//go:build !probe

package protocol

// A release has no frames beyond the tables. Test builds add one in each direction: see kinds_probe.go.
var (
	probeClientFrames []clientFrame
	probeServerFrames []FrameSpec
)
