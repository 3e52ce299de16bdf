// Package deliver brings deliveries to the gateways: stops 10 (route) and 11 (publish) of a message's road.
//
// A handler collects what it has to say in Parcels: batches for single gateways or for all of them, in the order in which they must
// reach the broker, together with the Tickets of the inbound batches that they answer. Publisher.Publish gives them to the broker and,
// when all are confirmed, settles the tickets, which acknowledges the inbound batches. So nothing is acknowledged before its answers
// are safe. The Publisher also keeps what is known of each gateway boot: whether it is dead, and the highest number of its attaches.
//
// The package refuses to give up: a batch that the broker doesn't take is offered again until it does, or until the worker is
// abandoned; then nothing is settled and the inbound batches come again at another worker.
package deliver
