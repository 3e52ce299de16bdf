//go:build !probe

package envelope

// A release has no kinds beyond the tables. Test builds add one of each (see kinds_probe.go), so that two processes of which only one
// knows a kind can be tried against each other.
var (
	probeCommands      []CommandSpec
	probeDeliveries    []DeliverySpec
	probeAnnouncements []AnnouncementSpec
	probeFeatures      []string
)
