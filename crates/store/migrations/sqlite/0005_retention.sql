-- When a run came to rest, in whole seconds: what is kept for a set time is found by it.
ALTER TABLE runs ADD COLUMN ended_at INTEGER;

UPDATE runs SET ended_at = unixepoch(json_extract(header, '$.ended.at')) WHERE is_open = 0;

CREATE INDEX runs_ended ON runs (ended_at, pipeline_id, id) WHERE ended_at IS NOT NULL AND is_stuck = 0;

-- Runs that have expired: their headers are gone, and their instances and attempts go bit by bit.
CREATE TABLE expired_runs (
    pipeline_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    definition BLOB,
    PRIMARY KEY (pipeline_id, run_id)
) WITHOUT ROWID;
