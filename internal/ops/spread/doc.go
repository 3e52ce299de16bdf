// Package spread says which worker owns which partition, computed from the live workers as they do it themselves.
package spread
