// Package jobs is what a worker does by itself, from time to time: it keeps itself in the list of live workers, watches the others and
// consumes the partitions that fall to it; the first among the workers deletes what ended long ago and what recalls left, and does the open
// jobs.
//
// Ownership keeps order cheap; it is not a fence: MySQL's row locks and unique keys are. While MySQL is unavailable the package changes
// nothing.
package jobs
