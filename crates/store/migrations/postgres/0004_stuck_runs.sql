-- Runs that have ended while something in them waits for ever: as long as there is one, its pipeline is not FINISHED.
ALTER TABLE runs ADD COLUMN is_stuck boolean NOT NULL DEFAULT false;

UPDATE runs SET is_stuck = true WHERE (header::json #>> '{ended,stuck}')::boolean;

CREATE INDEX runs_unsettled ON runs (pipeline_id, id) WHERE is_open OR is_stuck;
