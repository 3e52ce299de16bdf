// Package gather takes what waits in a queue together: how much, and for how long.
package gather
