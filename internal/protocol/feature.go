package protocol

import "chat-service/internal/chat"

// Features are what a way through the system can do beyond the first edition, as a set: `welcome` lists them, and frames are decoded by
// them.
type Features uint8

// The features that decide how frames are decoded.
const (
	FeatureChanges Features = 1 << iota
	FeatureData
)

var featureNames = map[string]Features{chat.FeatureChanges: FeatureChanges, chat.FeatureData: FeatureData}

// FeaturesOf returns the set of those that have these names; others change nothing in the decoding.
func FeaturesOf(names []string) (set Features) {
	for _, name := range names {
		set |= featureNames[name]
	}
	return set
}

// AllFeatures returns the set of all that this process knows.
func AllFeatures() (set Features) {
	for _, one := range featureNames {
		set |= one
	}
	return set
}

// String returns the name of a set of one feature, "" of none.
func (f Features) String() string {
	for name, one := range featureNames {
		if one == f {
			return name
		}
	}
	return ""
}
