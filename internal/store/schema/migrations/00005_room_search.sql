-- +goose Up

-- By which parts a public room is found: the first 12 characters from each place in its name_key on. So a part of a name is the
-- beginning of a part here.
CREATE TABLE room_parts (
    part    VARCHAR(12) NOT NULL,
    room_id BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (part, room_id),
    KEY room_parts_room (room_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Which name_key the parts of a room were made from: processes of earlier releases write rooms without their parts.
CREATE TABLE room_names (
    room_id  BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    name_key VARCHAR(190) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE room_names;
DROP TABLE room_parts;
