// Package configs holds the files of the configuration as they are shipped: every key of every process, with its default. The processes
// read the keys of one another from it, because one environment may serve them all.
package configs

import "embed"

// Files are gateway.yaml, worker.yaml and api.yaml.
//
//go:embed *.yaml
var Files embed.FS
