-- +goose Up
-- How a username looks (UTS #39), so that no two accounts look alike. NULL: not known yet; that is what a process of the release before
-- inserts, and what accounts have that are older than this column. The key lets any number of them stand. The skeleton is filled in by
-- the worker that leads the others, and by chatctl migrate: see accounts.Store.FillSkeletons.
ALTER TABLE users ADD COLUMN skeleton VARBINARY(255) NULL, ADD UNIQUE KEY users_skeleton (skeleton);

-- +goose Down
ALTER TABLE users DROP COLUMN skeleton;
