// Package audit keeps the trail of what was done to accounts and rooms: who, what, from where, in which request, when.
//
// Rows are only added; the sweep deletes them when they are old. What must not get lost is added in the transaction of what
// it records (Add); what happens often or fails anyway goes through a Recorder, which writes in batches, drops what it can't
// keep up with, and counts that: a flood of wrong passwords must not become a flood of writes.
package audit
