-- +goose Up

-- Work that takes longer than a call. A worker does it in steps: room, step and mark say where the next one goes on, and are written in the
-- step's own transaction. subject: the user whom it is about. Times are those of the writers' clocks. No process of the release before reads
-- it.
CREATE TABLE jobs (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind        VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subject     BIGINT UNSIGNED NOT NULL,
    state       VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    done        BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at  DATETIME(6)  NOT NULL,
    changed_at  DATETIME(6)  NOT NULL,
    finished_at DATETIME(6)  NULL,
    error       VARCHAR(190) NULL,
    room_id     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    step        VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    mark        VARBINARY(64) NULL,
    KEY jobs_state (state, changed_at),
    KEY jobs_subject (subject, kind)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- When an account was emptied: it is never opened again. A process of the release before sees one that is disabled.
ALTER TABLE users ADD COLUMN erased_at DATETIME(6) NULL;

-- +goose Down
ALTER TABLE users DROP COLUMN erased_at;
DROP TABLE jobs;
