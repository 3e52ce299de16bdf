// Package latency counts durations, so that percentiles can be told of millions of them. It knows nothing of what took so long.
package latency
