-- +goose Up
-- What was done to accounts and rooms: rows are only added, and swept when they are old. No process of the release before reads it.
CREATE TABLE audit (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at         DATETIME(6)  NOT NULL,
    kind       VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    by_whom    VARCHAR(190) NOT NULL DEFAULT '',
    user_id    BIGINT UNSIGNED NOT NULL DEFAULT 0,
    room_id    BIGINT UNSIGNED NOT NULL DEFAULT 0,
    session_id VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    ip         VARCHAR(45)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    request_id VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    detail     VARCHAR(190) NOT NULL DEFAULT '',
    KEY audit_age (at),
    KEY audit_user (user_id, id),
    KEY audit_room (room_id, id),
    KEY audit_ip (ip, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Where the session was opened or last refreshed from. A process of the release before inserts a row without it: unknown.
ALTER TABLE sessions ADD COLUMN ip VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions DROP COLUMN ip;
DROP TABLE audit;
