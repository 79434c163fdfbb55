-- +goose Up
ALTER TABLE run ADD COLUMN display TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN started BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN deleted BIGINT NOT NULL DEFAULT 0;

-- Tags and parameters of runs, to be searched. run is the ULID; kind is "tag" or "param".
CREATE TABLE run_label (
  run TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, workspace TEXT NOT NULL,
  PRIMARY KEY (run, kind, name)
);
CREATE INDEX run_label_value ON run_label (workspace, kind, name, value);
