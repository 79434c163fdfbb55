-- +goose Up
CREATE TABLE model (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);

-- name is "model/version"; rank is the version, negated: the newest comes first. run is a run's ULID,
-- request what the client named its request by.
CREATE TABLE model_version (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  model TEXT NOT NULL, rank BIGINT NOT NULL, run TEXT NOT NULL, stage TEXT NOT NULL, request TEXT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX model_version_model ON model_version (workspace, model, rank);
CREATE INDEX model_version_stage ON model_version (workspace, model, stage, rank);
CREATE INDEX model_version_request ON model_version (workspace, model, request) WHERE request <> '';
CREATE INDEX model_version_run ON model_version (workspace, run, model, rank) WHERE run <> '';

-- Models that runs logged and that have no name yet, as MLflow 3 knows them.
CREATE TABLE logged_model (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  experiment TEXT NOT NULL, run TEXT NOT NULL, created BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX logged_model_experiment ON logged_model (workspace, experiment, created, name);
CREATE INDEX logged_model_run ON logged_model (workspace, run, created, name) WHERE run <> '';

-- Which blob holds an artifact's bytes: several artifacts may share one. '': the one named by its path.
ALTER TABLE artifact ADD COLUMN blob TEXT NOT NULL DEFAULT '';
CREATE INDEX artifact_blob ON artifact (blob) WHERE blob <> '';

-- Blobs that no artifact may name: being written until some time, or left. A doomed one loses its bytes,
-- and no artifact can name it any more.
CREATE TABLE loose_blob (
  name TEXT NOT NULL PRIMARY KEY, until BIGINT NOT NULL, doomed SMALLINT NOT NULL
);
CREATE INDEX loose_blob_until ON loose_blob (until);
