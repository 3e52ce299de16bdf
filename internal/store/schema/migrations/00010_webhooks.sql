-- +goose Up

-- The endpoints of the application's backend. secret and previous sign what is posted: whoever posts needs them as they are. kinds: names of
-- events joined by commas; empty: all. swept_at, swept_by, swept_until: the walk over rooms in which something may have been missed. No
-- process of the release before reads or writes any of these tables.
CREATE TABLE webhooks (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name           VARCHAR(190)   NOT NULL,
    url            VARCHAR(2048)  NOT NULL,
    secret         VARBINARY(64)  NOT NULL,
    previous       VARBINARY(64)  NULL,
    previous_until DATETIME(6)    NULL,
    kinds          VARCHAR(1000)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    allow_private  TINYINT(1)     NOT NULL DEFAULT 0,
    created_by     VARCHAR(190)   NOT NULL DEFAULT '',
    created_at     DATETIME(6)    NOT NULL,
    failing_since  DATETIME(6)    NULL,
    disabled_at    DATETIME(6)    NULL,
    disabled_why   VARCHAR(190)   NOT NULL DEFAULT '',
    swept_at       DATETIME(6)    NULL,
    swept_by       VARCHAR(100)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    swept_until    DATETIME(6)    NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- How far each endpoint was told of each room: of the entries up to seq and of the changes up to change_seq. room_id 0 is what happens to
-- accounts. claim is the claim of a process, until next_at; without one next_at is the next try, and NULL until something happens.
CREATE TABLE webhook_rooms (
    webhook_id BIGINT UNSIGNED NOT NULL,
    room_id    BIGINT UNSIGNED NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    tries      INT UNSIGNED NOT NULL DEFAULT 0,
    next_at    DATETIME(6) NULL,
    claim      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    PRIMARY KEY (webhook_id, room_id),
    KEY webhook_rooms_due (webhook_id, next_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What happened to accounts, of which there is no log: a row for each endpoint, until that was told.
CREATE TABLE webhook_events (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    webhook_id BIGINT UNSIGNED NOT NULL,
    user_id    BIGINT UNSIGNED NOT NULL,
    kind       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    at         DATETIME(6) NOT NULL,
    KEY webhook_events_webhook (webhook_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What was posted, the last of it.
CREATE TABLE webhook_attempts (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    webhook_id BIGINT UNSIGNED NOT NULL,
    event      VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind       VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    room_id    BIGINT UNSIGNED NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    at         DATETIME(6) NOT NULL,
    try        INT UNSIGNED NOT NULL,
    status     INT UNSIGNED NOT NULL,
    took_us    BIGINT UNSIGNED NOT NULL,
    refusal    VARCHAR(190) NOT NULL DEFAULT '',
    KEY webhook_attempts_webhook (webhook_id, id),
    KEY webhook_attempts_age (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE webhook_attempts;
DROP TABLE webhook_events;
DROP TABLE webhook_rooms;
DROP TABLE webhooks;
