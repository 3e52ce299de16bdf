// Package catchup answers clients that missed something: what each lacks of its rooms, in order, then how far it got; or resync where
// its view can't be made whole.
//
// Clients that come back after a gateway was lost come together, are in the same rooms and lack the same entries. So many syncs are
// answered at once: one query finds where all of them stand, and an entry is read and encoded once for all. The package owns what a sync
// may cost; it refuses to keep anything between two steps.
package catchup
