// Package deploy tests the files in deployments and in .ci without a container engine: that what they name exists, that each process gets its
// own users and no administrator, that CI runs again what only the race detector has brought down, and, with the build tag e2e, that their
// commands and variables make a working service.
package deploy
