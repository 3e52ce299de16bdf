// Package lookup reads what many who come back ask for at once: where they stand in rooms, and what they lack of the logs.
//
// It owns statements whose number doesn't grow with the askers; it refuses to write, and to judge who may see what. Everything
// is read from the primary.
package lookup
