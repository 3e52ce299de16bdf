-- +goose Up

-- The keys of the application's backend. id is bytes, so that no trailing blank makes two ids one. hash: SHA-256 of the key's secret, which
-- is stored nowhere. scopes: joined by commas. No process of the release before reads it.
CREATE TABLE api_keys (
    id           VARBINARY(32) NOT NULL PRIMARY KEY,
    hash         BINARY(32)   NOT NULL,
    name         VARCHAR(190) NOT NULL,
    scopes       VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at   DATETIME(6)  NOT NULL,
    expires_at   DATETIME(6)  NULL,
    last_used_at DATETIME(6)  NULL,
    revoked_at   DATETIME(6)  NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE api_keys;
