// Package envelope is what the bus carries: Commands from gateways to workers and Deliveries back, packed into batches.
//
// A batch is one AMQP message: a magic byte, a version, then records with their length in front. A record is a list of
// tagged fields in the Protocol Buffers wire format (fields of unknown number are skipped, absent ones are zero), so that
// processes of one release before and after can read each other. The package knows nothing of AMQP and of what the
// client bytes in a Delivery say.
//
// wire.go writes and reads batches, records and fields, as far as every message needs it. What a command, a delivery and an
// announcement consist of, and how the fields that few of them have are written and read, is in the file named after each.
package envelope
