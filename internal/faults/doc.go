// Package faults is where a test build may break the product on purpose: it kills the process at named points of the road,
// and plants named bugs that the fault suite must catch.
//
// Without the build tag "faults" both functions are constants that the compiler removes: a release holds nothing of it.
// With the tag, CHAT_FAULTS_KILL and CHAT_FAULTS_PLANT choose what happens.
package faults
