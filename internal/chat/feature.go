package chat

// What a way through the system (a gateway and all live workers) can do beyond the first edition, as `welcome` lists it. A client sends
// no frame and no field of a feature that isn't listed.
const (
	FeatureChanges = "changes" // messages are edited, recalled, reacted to and pinned
	FeatureData    = "data"    // messages have data and reply_to
)
