-- +goose Up

-- Which room the application means by an id of its own. ext is bytes, so that no collation and no trailing blank makes two ids one. Users
-- are in identities. No process of the release before reads or writes it.
CREATE TABLE external_rooms (
    ext        VARBINARY(128) NOT NULL PRIMARY KEY,
    room_id    BIGINT UNSIGNED NOT NULL,
    created_at DATETIME(6) NOT NULL,
    UNIQUE KEY external_rooms_room (room_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE external_rooms;
