// Package broker is the RabbitMQ adapter: it carries opaque bodies between gateways and workers.
//
// It owns connections, topology, publishing with confirms and consuming with acknowledgements.
// It doesn't read what it carries: records and bodies are bytes. Commands and Deliveries are the
// buses that the gateways and the workers ask for by their ports.
//
// carry.go is all that every message executes, in that order: from the record to the socket, from the
// broker's confirm to the done function, from the delivery to the handler, and back to its ack. What it
// works on is in batcher.go, entry.go, publisher.go and inbound.go, what opens the channels is there and in
// partitions.go and subscription.go, and what a refusal or a lost channel causes is in republish.go.
//
// Invariants:
//   - Nothing accepted by a Publisher is lost while the process lives. A message whose confirm was
//     pending when the connection was lost is published again, in the old order, before anything new;
//     so a consumer may see a message twice, and deduplicates.
//   - A partition is released by closing its channel and in no other way, because only that returns
//     the whole unacknowledged window in order to the next consumer.
//   - Waiting is bounded: the publishing window by bytes and records, the library's buffers by the
//     prefetch, every write and every handshake by a deadline.
//   - Connections are re-established for ever without help; the first one, too.
//   - No type and no error of the AMQP library leaves the package.
package broker
