//go:build probe

package envelope

// The kinds of a release that doesn't exist: the build tag "probe" adds them, and internal/test/e2e runs processes with them beside
// processes without. The numbers are far above those in use.
const (
	// Probe asks the worker to answer with Probed, by the sender's socket.
	Probe CommandKind = 1000
	// Probed is the answer: Frame for one socket.
	Probed DeliveryKind = 1000
	// ProbeAnnouncement is relayed to a room as a Probed frame.
	ProbeAnnouncement AnnouncementKind = "probe"
)

var (
	probeCommands      = []CommandSpec{{Probe, "probe", ByRoom, by("probe"), "answer with Probed"}}
	probeDeliveries    = []DeliverySpec{{Probed, "probed", ForSocket, "the answer to Probe"}}
	probeAnnouncements = []AnnouncementSpec{{ProbeAnnouncement, ByRoom, "relayed as a frame"}}
	probeFeatures      = []string{"probe"}
)
