// Package installation finds the servers that an operator's command works on: by a configuration file and the environment, as the
// processes do it, or in the directory of a running `chatctl up`. It opens them with few connections.
package installation
