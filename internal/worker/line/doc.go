// Package line writes, off the road, what the road leaves behind: routes, heads and recent messages to Redis, and the deletion
// of announced outbox rows. All of it can be rebuilt, so a keeper that falls behind leaves something out rather than hold up a
// commit.
package line
