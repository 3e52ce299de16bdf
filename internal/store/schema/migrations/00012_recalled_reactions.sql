-- +goose Up

-- Recalled messages that had more reactions than a recall deletes in its transaction: the first worker deletes the rest, then the row. A
-- process of the release before writes no such rows; what it leaves behind can't be seen.
CREATE TABLE recalled_reactions (
    room_id BIGINT UNSIGNED NOT NULL,
    seq     BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (room_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE recalled_reactions;
