// Package skeleton tells names apart by how they look: two names that a person can't tell apart have the same skeleton, by the rules and
// the data of Unicode's UTS #39.
//
// It owns that data. It refuses to judge which names are legal: what is rare, mixed or invisible is the api's to refuse before.
package skeleton
