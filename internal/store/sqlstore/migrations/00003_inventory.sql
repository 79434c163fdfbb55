-- +goose Up
-- name is the resource ID in lower case.
CREATE TABLE inventory (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
