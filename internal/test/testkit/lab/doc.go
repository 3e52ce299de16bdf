// Package lab makes a small network of hosts on this machine: network namespaces on a bridge, between which packets can be dropped, lost now
// and then, or held up. It needs root, and programs that it takes from Debian's packages where the machine has none.
package lab
