-- +goose Up
-- What a worker can do beyond the first edition, comma separated. A worker of the release before inserts a row without it: nothing.
ALTER TABLE workers ADD COLUMN features VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE workers DROP COLUMN features;
