// Package configtest checks a process's configuration: that its file holds every key with its default, and which limits it
// reads. The tests of each command use it.
package configtest
