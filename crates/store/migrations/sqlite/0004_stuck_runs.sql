-- Runs that have ended while something in them waits for ever: as long as there is one, its pipeline is not FINISHED.
ALTER TABLE runs ADD COLUMN is_stuck INTEGER NOT NULL DEFAULT 0;

UPDATE runs SET is_stuck = 1 WHERE json_extract(header, '$.ended.stuck');

CREATE INDEX runs_unsettled ON runs (pipeline_id, id) WHERE is_open = 1 OR is_stuck = 1;
