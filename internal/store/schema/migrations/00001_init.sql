-- +goose Up
CREATE TABLE meta (
    k VARCHAR(64)  CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL PRIMARY KEY,
    v VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Times here are the database's own clock: it is the only one that all workers share.
CREATE TABLE workers (
    boot       VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    started_at DATETIME(6) NOT NULL,
    beat_at    DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- username and email arrive normalised (NFKC, lower case, trimmed); nickname_key is the nickname in that form.
CREATE TABLE users (
    id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username      VARCHAR(64)  NOT NULL,
    nickname      VARCHAR(128) NOT NULL,
    nickname_key  VARCHAR(128) NOT NULL,
    email         VARCHAR(190) NULL,
    avatar_url    VARCHAR(1024) NOT NULL DEFAULT '',
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    status        VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    last_seen     DATETIME(6) NULL,
    created_at    DATETIME(6) NOT NULL,
    UNIQUE KEY users_username (username),
    UNIQUE KEY users_email (email),
    KEY users_nickname (nickname_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- expires_at ends an idle session, absolute_at any session.
CREATE TABLE sessions (
    id           VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id      BIGINT UNSIGNED NOT NULL,
    device       VARCHAR(190) NOT NULL DEFAULT '',
    created_at   DATETIME(6) NOT NULL,
    last_seen_at DATETIME(6) NOT NULL,
    expires_at   DATETIME(6) NOT NULL,
    absolute_at  DATETIME(6) NOT NULL,
    revoked_at   DATETIME(6) NULL,
    KEY sessions_user (user_id, revoked_at),
    KEY sessions_expiry (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row per refresh token ever handed out for a session, so that the replay of a used one is seen.
CREATE TABLE refresh_tokens (
    hash       BINARY(32) NOT NULL PRIMARY KEY,
    session_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    used_at    DATETIME(6) NULL,
    KEY refresh_tokens_session (session_id, used_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- active_min is the unix minute of the last message: coarse, so that its index is written once a minute.
CREATE TABLE rooms (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    type         VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name         VARCHAR(190)  NOT NULL DEFAULT '',
    name_key     VARCHAR(190)  NOT NULL DEFAULT '',
    description  VARCHAR(2048) NOT NULL DEFAULT '',
    visibility   VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner_id     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    direct_key   VARCHAR(42)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    member_count INT UNSIGNED NOT NULL DEFAULT 0,
    last_seq     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    msg_count    BIGINT UNSIGNED NOT NULL DEFAULT 0,
    change_seq   BIGINT UNSIGNED NOT NULL DEFAULT 0,
    epoch        BIGINT UNSIGNED NOT NULL DEFAULT 1,
    history_all  TINYINT(1) NOT NULL DEFAULT 0,
    partition_no SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    active_min   INT UNSIGNED NOT NULL DEFAULT 0,
    active_at    DATETIME(6) NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    dissolved_at DATETIME(6) NULL,
    UNIQUE KEY rooms_direct (direct_key),
    KEY rooms_active (partition_no, active_min),
    KEY rooms_visible (visibility, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- left_seq 0 means that the membership is open.
CREATE TABLE members (
    room_id      BIGINT UNSIGNED NOT NULL,
    user_id      BIGINT UNSIGNED NOT NULL,
    role         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    visible_from BIGINT UNSIGNED NOT NULL,
    left_seq     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    read_seq     BIGINT UNSIGNED NOT NULL,
    read_count   BIGINT UNSIGNED NOT NULL,
    muted_until  DATETIME(6) NULL,
    notify       TINYINT UNSIGNED NOT NULL DEFAULT 0,
    joined_at    DATETIME(6) NOT NULL,
    PRIMARY KEY (room_id, user_id),
    KEY members_user (user_id, room_id, left_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- client_msg_id is binary because every _bin text collation ignores trailing spaces; NULL in system messages.
CREATE TABLE messages (
    room_id       BIGINT UNSIGNED NOT NULL,
    seq           BIGINT UNSIGNED NOT NULL,
    ord           BIGINT UNSIGNED NOT NULL,
    kind          VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sender_id     BIGINT UNSIGNED NOT NULL,
    client_msg_id VARBINARY(36) NULL,
    body_hash     BINARY(16) NOT NULL,
    content       MEDIUMTEXT NOT NULL,
    created_at    DATETIME(6) NOT NULL,
    PRIMARY KEY (room_id, seq),
    UNIQUE KEY messages_once (room_id, sender_id, client_msg_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE sender_cursors (
    room_id    BIGINT UNSIGNED NOT NULL,
    user_id    BIGINT UNSIGNED NOT NULL,
    session_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    last_seq   BIGINT UNSIGNED NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (room_id, user_id, session_id),
    KEY sender_cursors_age (updated_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE room_changes (
    room_id    BIGINT UNSIGNED NOT NULL,
    change_seq BIGINT UNSIGNED NOT NULL,
    kind       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    user_id    BIGINT UNSIGNED NOT NULL,
    payload    MEDIUMTEXT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (room_id, change_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE outbox (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    partition_no SMALLINT UNSIGNED NOT NULL,
    room_id      BIGINT UNSIGNED NOT NULL DEFAULT 0,
    seq          BIGINT UNSIGNED NOT NULL DEFAULT 0,
    kind         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload      MEDIUMBLOB NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    KEY outbox_partition (partition_no, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE dead_commands (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    partition_no SMALLINT UNSIGNED NOT NULL,
    kind         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id      BIGINT UNSIGNED NOT NULL,
    room_id      BIGINT UNSIGNED NOT NULL,
    payload      MEDIUMBLOB NOT NULL,
    reason       TEXT NOT NULL,
    created_at   DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE dead_commands;
DROP TABLE outbox;
DROP TABLE room_changes;
DROP TABLE sender_cursors;
DROP TABLE messages;
DROP TABLE members;
DROP TABLE rooms;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE workers;
DROP TABLE meta;
