-- +goose Up

-- What a message has besides its text. A process of the release before writes messages without it, and reads them as texts. content and
-- data are always those of now: an edit replaces them, a recall empties them. body_hash stays that of what was sent.
ALTER TABLE messages ADD COLUMN data MEDIUMTEXT NULL, ADD COLUMN reply_to BIGINT UNSIGNED NULL;

-- The ord of the room's newest recalled message: whoever has read so far needs no look at recalls.
ALTER TABLE rooms ADD COLUMN max_recalled_ord BIGINT UNSIGNED NOT NULL DEFAULT 0;

-- What happened, in the order of change_seq, and for ever under which change_id it was asked for and what was answered: in one table, so
-- that a change is one row to write. What changed nothing is remembered, too: noop is then "<user>:<change_id>", else empty, and change_seq
-- the message's. payload: of a reaction and a pin what was asked, as JSON. No release has written to this table.
ALTER TABLE room_changes MODIFY COLUMN payload MEDIUMTEXT NULL,
    ADD COLUMN noop      VARBINARY(64) NOT NULL DEFAULT '' AFTER change_seq,
    ADD COLUMN change_id VARBINARY(36) NOT NULL,
    ADD COLUMN hash      BINARY(16) NOT NULL,
    ADD COLUMN version   BIGINT UNSIGNED NOT NULL,
    ADD COLUMN at_seq    BIGINT UNSIGNED NOT NULL,
    DROP PRIMARY KEY, ADD PRIMARY KEY (room_id, change_seq, noop), ADD UNIQUE KEY room_changes_once (room_id, user_id, change_id);

-- What each message that ever changed is now. reactions: see table.State. earlier holds what edits replaced, a line of JSON each: in a
-- table of its own it would be another row to write for each edit, and beside the content a row to move.
CREATE TABLE message_state (
    room_id     BIGINT UNSIGNED NOT NULL,
    seq         BIGINT UNSIGNED NOT NULL,
    change_seq  BIGINT UNSIGNED NOT NULL,
    version     BIGINT UNSIGNED NOT NULL,
    edited_at   DATETIME(6) NULL,
    recalled_by BIGINT UNSIGNED NULL,
    recalled_at DATETIME(6) NULL,
    pinned_by   BIGINT UNSIGNED NULL,
    pinned_at   DATETIME(6) NULL,
    reactions   MEDIUMTEXT NULL,
    earlier     MEDIUMTEXT NULL,
    PRIMARY KEY (room_id, seq),
    UNIQUE KEY message_state_changes (room_id, change_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Who set which key under which message. change_seq is the order in which they came.
CREATE TABLE reactions (
    room_id    BIGINT UNSIGNED NOT NULL,
    user_id    BIGINT UNSIGNED NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    rkey       VARBINARY(32) NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    at         DATETIME(6) NOT NULL,
    PRIMARY KEY (room_id, user_id, seq, rkey),
    KEY reactions_message (room_id, seq, rkey, change_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Which messages are pinned.
CREATE TABLE pins (
    room_id    BIGINT UNSIGNED NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (room_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Which messages were recalled, by their ord: those above a read pointer aren't unread.
CREATE TABLE recalls (
    room_id    BIGINT UNSIGNED NOT NULL,
    ord        BIGINT UNSIGNED NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (room_id, ord)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE recalls;
DROP TABLE pins;
DROP TABLE reactions;
DROP TABLE message_state;
DELETE FROM room_changes WHERE noop <> '' OR payload IS NULL;
ALTER TABLE room_changes DROP INDEX room_changes_once, DROP PRIMARY KEY, ADD PRIMARY KEY (room_id, change_seq), DROP COLUMN noop,
    DROP COLUMN change_id, DROP COLUMN hash, DROP COLUMN version, DROP COLUMN at_seq, MODIFY COLUMN payload MEDIUMTEXT NOT NULL;
ALTER TABLE rooms DROP COLUMN max_recalled_ord;
ALTER TABLE messages DROP COLUMN reply_to, DROP COLUMN data;
