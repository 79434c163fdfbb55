-- +goose Up
-- What runs logged: per run and name the latest value, and the points in parts of many, packed.
-- run is the run's ULID. value is NULL for what is no number, and for NaN.
CREATE TABLE metric (
  run TEXT NOT NULL, name TEXT NOT NULL, workspace TEXT NOT NULL,
  kind TEXT NOT NULL, points BIGINT NOT NULL, part BIGINT NOT NULL,
  value DOUBLE PRECISION, step BIGINT NOT NULL, time BIGINT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (run, name)
);
CREATE INDEX metric_value ON metric (workspace, name, value);

-- Ranges of steps and times tell which parts a batch that arrives again may lie in.
CREATE TABLE metric_part (
  run TEXT NOT NULL, name TEXT NOT NULL, part BIGINT NOT NULL,
  points BIGINT NOT NULL,
  step_min BIGINT NOT NULL, step_max BIGINT NOT NULL, time_min BIGINT NOT NULL, time_max BIGINT NOT NULL,
  data BLOB NOT NULL, -- +zaffre sqlite
  data BYTEA NOT NULL, -- +zaffre postgres
  PRIMARY KEY (run, name, part)
);
