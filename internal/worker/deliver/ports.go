package deliver

import "chat-service/internal/chat"

// Bus carries batches of deliveries to gateways. done is called once: with nil when the broker has confirmed the batch, a NotFound
// kind when the gateway's queue doesn't exist, context.Canceled when the bus was closed before, any other error when the broker
// refused it repeatedly. An error from the call itself means that nothing was taken: the caller may try again, unless it is
// context.Canceled.
type Bus interface {
	ToGateway(gateway chat.GatewayID, batch []byte, done func(error)) error
	ToAll(batch []byte, done func(error)) error
}
