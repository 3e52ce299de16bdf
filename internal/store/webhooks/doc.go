// Package webhooks keeps the endpoints of the application's backend, and how far each was told of what happens.
//
// What they are told is read from what is kept anyway, the rooms' logs of entries and of changes. Of each endpoint and room there is a
// cursor: up to which entry and which change the endpoint has answered. A cursor that isn't there yet begins behind what is older than the
// endpoint. Whoever posts claims a cursor for some time; it moves only under the claim by which it was read, so that of two processes that
// both think that it is theirs one moves it. What happens to accounts has no log: a row is left for each endpoint, until that was told.
//
// A writer need not know of endpoints: a walk finds the rooms in which something happened that an endpoint wasn't told.
package webhooks
