-- When a run came to rest, in whole seconds: what is kept for a set time is found by it.
ALTER TABLE runs ADD COLUMN ended_at bigint;

UPDATE runs SET ended_at = floor(extract(epoch FROM (header::json #>> '{ended,at}')::timestamptz))::bigint WHERE NOT is_open;

CREATE INDEX runs_ended ON runs (ended_at, pipeline_id, id) WHERE ended_at IS NOT NULL AND NOT is_stuck;

-- Runs that have expired: their headers are gone, and their instances and attempts go bit by bit.
CREATE TABLE expired_runs (
    pipeline_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    definition bytea,
    PRIMARY KEY (pipeline_id, run_id)
);
