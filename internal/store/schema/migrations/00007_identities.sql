-- +goose Up

-- Who an application's own issuer of tokens says somebody is, and which account that is. issuer: SHA-256 of its name. Both columns are bytes,
-- so that no collation and no trailing blank makes two subjects one.
CREATE TABLE identities (
    issuer     BINARY(32) NOT NULL,
    subject    VARBINARY(255) NOT NULL,
    user_id    BIGINT UNSIGNED NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (issuer, subject),
    KEY identities_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What opens the same session again: a hash of issuer, subject and device. Logins by password have none, and processes of the release
-- before write none.
ALTER TABLE sessions ADD COLUMN origin VARBINARY(32) NULL;

-- +goose Down
ALTER TABLE sessions DROP COLUMN origin;
DROP TABLE identities;
