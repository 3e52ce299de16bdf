-- +goose Up

-- What a message has besides its text. A process of the release before writes messages without it, and reads them as texts. content and
-- data are always those of now: an edit replaces them, a recall empties them. body_hash stays that of what was sent. earlier holds what
-- edits replaced, a line of JSON each: in a table of its own it would be another row to write for each edit.
ALTER TABLE messages ADD COLUMN data MEDIUMTEXT NULL, ADD COLUMN reply_to BIGINT UNSIGNED NULL, ADD COLUMN earlier MEDIUMTEXT NULL;

-- The ord of the room's newest recalled message: whoever has read so far needs no look at recalls.
ALTER TABLE rooms ADD COLUMN max_recalled_ord BIGINT UNSIGNED NOT NULL DEFAULT 0;

-- What happened, one row for each change_seq. payload: of a reaction and a pin what was asked, as JSON.
ALTER TABLE room_changes ADD COLUMN at_seq BIGINT UNSIGNED NOT NULL DEFAULT 0;

-- What each message that ever changed is now. reactions: see table.State.
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
    PRIMARY KEY (room_id, seq),
    UNIQUE KEY message_state_changes (room_id, change_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What was asked under each change_id, and answered: for ever, also where nothing changed.
CREATE TABLE change_ids (
    room_id    BIGINT UNSIGNED NOT NULL,
    user_id    BIGINT UNSIGNED NOT NULL,
    change_id  VARBINARY(36) NOT NULL,
    hash       BINARY(16) NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    version    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (room_id, user_id, change_id)
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
DROP TABLE change_ids;
DROP TABLE message_state;
ALTER TABLE room_changes DROP COLUMN at_seq;
ALTER TABLE rooms DROP COLUMN max_recalled_ord;
ALTER TABLE messages DROP COLUMN earlier, DROP COLUMN reply_to, DROP COLUMN data;
