-- +goose Up
-- What runs are searched by. started and ended are in microseconds; a run that has not started counts
-- from when it was made.
ALTER TABLE run ADD COLUMN display TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN started BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN deleted BIGINT NOT NULL DEFAULT 0;
UPDATE run SET display = COALESCE(json_extract(doc, '$.display'), ''), owner = COALESCE(json_extract(doc, '$.created_by'), ''), started = COALESCE(json_extract(doc, '$.status.started'), json_extract(doc, '$.created'), 0), ended = COALESCE(json_extract(doc, '$.status.ended'), 0); -- +zaffre sqlite
UPDATE run SET display = COALESCE(doc::jsonb ->> 'display', ''), owner = COALESCE(doc::jsonb ->> 'created_by', ''), started = COALESCE((doc::jsonb #>> '{status,started}')::bigint, (doc::jsonb ->> 'created')::bigint, 0), ended = COALESCE((doc::jsonb #>> '{status,ended}')::bigint, 0); -- +zaffre postgres
-- A search that cannot look up what matches walks this index, in the order of its answer.
CREATE INDEX run_walk ON run (workspace, started DESC, name, id, experiment, state, deleted, ended, display, owner);

-- Tags and parameters of runs. run is the ULID; kind is "tag" or "param". An index holds the beginning of a
-- value: PostgreSQL takes no long ones.
CREATE TABLE run_label (
  run TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, workspace TEXT NOT NULL,
  PRIMARY KEY (run, kind, name)
) WITHOUT ROWID -- +zaffre sqlite
) -- +zaffre postgres
;
CREATE INDEX run_label_value ON run_label (workspace, kind, name, substr(value, 1, 100), run);
INSERT INTO run_label (run, kind, name, value, workspace) SELECT run.id, 'tag', tag.key, tag.value, run.workspace FROM run, json_each(run.doc, '$.tags') AS tag; -- +zaffre sqlite
INSERT INTO run_label (run, kind, name, value, workspace) SELECT run.id, 'tag', tag.key, tag.value, run.workspace FROM run, jsonb_each_text(run.doc::jsonb -> 'tags') AS tag; -- +zaffre postgres
ALTER TABLE run DROP COLUMN tags;

-- With the run, so that a search needs no look at the row.
DROP INDEX metric_value;
CREATE INDEX metric_value ON metric (workspace, name, value, run);

-- id is made of digits: the microsecond in which the experiment was made, and "0" for the default one.
ALTER TABLE experiment ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE experiment ADD COLUMN deleted BIGINT NOT NULL DEFAULT 0;
UPDATE experiment SET doc = json_set(doc, '$.id', CASE name WHEN 'Default' THEN '0' ELSE CAST(json_extract(doc, '$.created') AS TEXT) END); -- +zaffre sqlite
UPDATE experiment SET id = json_extract(doc, '$.id'); -- +zaffre sqlite
UPDATE experiment SET doc = jsonb_set(doc::jsonb, '{id}', to_jsonb(CASE name WHEN 'Default' THEN '0' ELSE doc::jsonb ->> 'created' END))::text; -- +zaffre postgres
UPDATE experiment SET id = doc::jsonb ->> 'id'; -- +zaffre postgres
CREATE UNIQUE INDEX experiment_id ON experiment (workspace, id) WHERE id <> '';
