-- +goose Up
-- What runs logged, one row per run and name. run is the run's ULID. kind, value, step and time are
-- those of the latest point; value is NULL for what is no number, and for NaN. The points up to packed
-- are in parts, the last of which begins at part; those after it are in tail. step_max and time_max are
-- of the parts, whatever they are where there is none.
CREATE TABLE metric (
  run TEXT NOT NULL, name TEXT NOT NULL, workspace TEXT NOT NULL,
  kind TEXT NOT NULL, value DOUBLE PRECISION, step BIGINT NOT NULL, time BIGINT NOT NULL,
  points BIGINT NOT NULL, packed BIGINT NOT NULL, part BIGINT NOT NULL,
  step_max BIGINT NOT NULL, time_max BIGINT NOT NULL,
  tail BLOB NOT NULL, -- +zaffre sqlite
  tail BYTEA NOT NULL, -- +zaffre postgres
  PRIMARY KEY (run, name)
);
CREATE INDEX metric_value ON metric (workspace, name, value, run);

-- Points in the order in which they were logged, packed; part is the position of the first. Ranges of
-- steps and times tell which parts a batch that arrives again may lie in.
CREATE TABLE metric_part (
  run TEXT NOT NULL, name TEXT NOT NULL, part BIGINT NOT NULL,
  step_min BIGINT NOT NULL, step_max BIGINT NOT NULL, time_min BIGINT NOT NULL, time_max BIGINT NOT NULL,
  data BLOB NOT NULL, -- +zaffre sqlite
  data BYTEA NOT NULL, -- +zaffre postgres
  PRIMARY KEY (run, name, part)
);
CREATE INDEX metric_part_time ON metric_part (run, name, time_max);

-- How much a run has, for its limits: names, and points in parts.
CREATE TABLE metric_run (
  run TEXT NOT NULL, names BIGINT NOT NULL, points BIGINT NOT NULL,
  PRIMARY KEY (run)
);
