-- +goose Up
-- Code snapshots by the name that a client gave them: SDK v1 makes up a GUID, v2 a hash and a version.
CREATE TABLE content (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  created BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX content_created ON content (workspace, created, name);

-- Assets of SDK v1: what a registered model's files are, by an ID.
CREATE TABLE asset (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  run TEXT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);
CREATE INDEX asset_run ON asset (workspace, run, name) WHERE run <> '';

-- Secrets of users, sealed.
CREATE TABLE vault (
  workspace TEXT NOT NULL, name TEXT NOT NULL, revision BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (workspace, name)
);

-- The run at the top of a run's tree. Each round doubles how far a run looks up.
ALTER TABLE run ADD COLUMN root TEXT NOT NULL DEFAULT '';
UPDATE run SET root = CASE WHEN parent = '' THEN name ELSE parent END;
UPDATE run SET root = (SELECT p.root FROM run p WHERE p.workspace = run.workspace AND p.name = run.root) WHERE parent <> '' AND EXISTS (SELECT 1 FROM run p WHERE p.workspace = run.workspace AND p.name = run.root);
UPDATE run SET root = (SELECT p.root FROM run p WHERE p.workspace = run.workspace AND p.name = run.root) WHERE parent <> '' AND EXISTS (SELECT 1 FROM run p WHERE p.workspace = run.workspace AND p.name = run.root);
UPDATE run SET root = (SELECT p.root FROM run p WHERE p.workspace = run.workspace AND p.name = run.root) WHERE parent <> '' AND EXISTS (SELECT 1 FROM run p WHERE p.workspace = run.workspace AND p.name = run.root);
UPDATE run SET root = (SELECT p.root FROM run p WHERE p.workspace = run.workspace AND p.name = run.root) WHERE parent <> '' AND EXISTS (SELECT 1 FROM run p WHERE p.workspace = run.workspace AND p.name = run.root);
CREATE INDEX run_root ON run (workspace, root, id);
-- What is written anew with the row is the record's: it says the same. The rest of it stays as it is, to the byte.
UPDATE run SET doc = '{"root":' || json_quote(root) || ',' || substr(doc, 2) WHERE parent <> ''; -- +zaffre sqlite
UPDATE run SET doc = '{"root":' || to_json(root)::text || ',' || substr(doc, 2) WHERE parent <> ''; -- +zaffre postgres
