// Package lab makes a small network of hosts on this machine: network namespaces on a bridge, between which packets can be dropped, lost now
// and then, or held up. It needs root, and the programs ip, tc and nft.
package lab
