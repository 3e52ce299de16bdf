// Package keys makes the options of tokens out of the section jwt, for the processes that have one.
package keys
