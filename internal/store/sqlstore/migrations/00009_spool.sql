-- +goose Up
-- Which attempt of a run may write, as long as the run goes on. run is its ULID.
CREATE TABLE fence (
  run TEXT NOT NULL PRIMARY KEY, attempt BIGINT NOT NULL
);

-- How far the writes of a job have come that may arrive again: each lane's last sequence, and which parts of it are
-- written.
CREATE TABLE spool (
  run TEXT NOT NULL, lane TEXT NOT NULL, sequence BIGINT NOT NULL, parts TEXT NOT NULL,
  PRIMARY KEY (run, lane)
);
-- It had a row for each write, and nobody wrote any.
DROP TABLE once;
-- PostgreSQL reads no JSON that has a NUL in it: another letter does as well for counting.
INSERT INTO fence (run, attempt) SELECT id, json_array_length(doc, '$.status.attempts') FROM run WHERE active = 1 AND json_array_length(doc, '$.status.attempts') > 0; -- +zaffre sqlite
INSERT INTO fence (run, attempt) SELECT id, jsonb_array_length(replace(doc, '\u0000', '\u0001')::jsonb #> '{status,attempts}') FROM run WHERE active = 1 AND jsonb_typeof(replace(doc, '\u0000', '\u0001')::jsonb #> '{status,attempts}') = 'array'; -- +zaffre postgres
