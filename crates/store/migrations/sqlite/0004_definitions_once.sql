-- Definitions as runs were activated with them, each once for its pipeline: by the SHA-256 of its body.
CREATE TABLE definition_bodies (
    pipeline_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (pipeline_id, digest)
);

INSERT OR IGNORE INTO definition_bodies (pipeline_id, digest, body)
SELECT pipeline_id, sha256(body), body FROM run_definitions;

ALTER TABLE runs ADD COLUMN definition BLOB;

UPDATE runs SET definition = (
    SELECT sha256(body) FROM run_definitions
    WHERE run_definitions.pipeline_id = runs.pipeline_id AND run_definitions.run_id = runs.id
);

DROP TABLE run_definitions;

CREATE INDEX runs_of_definition ON runs (pipeline_id, definition);

-- Runs that have ended while something in them waits for ever: as long as there is one, its pipeline is not FINISHED.
ALTER TABLE runs ADD COLUMN is_stuck INTEGER NOT NULL DEFAULT 0;

UPDATE runs SET is_stuck = 1 WHERE json_extract(header, '$.ended.stuck');

CREATE INDEX runs_unsettled ON runs (pipeline_id, id) WHERE is_open = 1 OR is_stuck = 1;
