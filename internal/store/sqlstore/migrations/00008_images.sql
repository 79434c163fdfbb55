-- +goose Up
-- Manifests of the server's own registry: name is "repository@digest". Their blobs are artifacts of "image/workspace/repository".
CREATE TABLE image_manifest (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  repository TEXT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX image_manifest_repository ON image_manifest (workspace, repository, name);

-- Tags: name is "repository:tag".
CREATE TABLE image_tag (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  repository TEXT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX image_tag_repository ON image_tag (workspace, repository, name);

-- Layers of environments that were made, by what they were made of.
CREATE TABLE image_layer (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
