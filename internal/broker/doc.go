// Package broker is the RabbitMQ adapter: it carries opaque bodies between gateways and workers.
//
// It owns connections, topology, publishing with confirms and consuming with acknowledgements.
// It knows nothing of what it carries: bodies are bytes, and the way several records become one
// body is a function given by the caller.
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
