-- +goose Up
CREATE TABLE principal (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  scope TEXT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX principal_scope ON principal (scope, name);

CREATE TABLE linked_service (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
