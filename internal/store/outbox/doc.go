// Package outbox keeps what committed writes have to announce until a worker has announced it, and sets aside what no
// worker can handle.
//
// A write leaves its row within its own transaction (Add), stamped with the partition whose owner is to announce it.
// The row of a room's message is added while the room's row lock is held, so that ids ascend with the room's seqs. A
// row goes only when its announcement is confirmed (Announced); until then every owner of the partition reads it again.
//
// Only rows of kinds that this process knows are read. Others belong to a worker of a later release: they stay, block
// nobody, and are counted (OutboxUnknown). A row of a known kind that can't be decoded is moved to dead_commands, or it
// would block those behind it.
package outbox
