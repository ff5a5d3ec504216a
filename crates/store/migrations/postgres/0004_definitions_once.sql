-- Definitions as runs were activated with them, each once for its pipeline: by the SHA-256 of its body.
CREATE TABLE definition_bodies (
    pipeline_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline_id, digest)
);

INSERT INTO definition_bodies (pipeline_id, digest, body)
SELECT pipeline_id, sha256(convert_to(body, 'UTF8')), body FROM run_definitions
ON CONFLICT DO NOTHING;

ALTER TABLE runs ADD COLUMN definition bytea;

UPDATE runs SET definition = sha256(convert_to(run_definitions.body, 'UTF8')) FROM run_definitions
WHERE run_definitions.pipeline_id = runs.pipeline_id AND run_definitions.run_id = runs.id;

DROP TABLE run_definitions;

CREATE INDEX runs_of_definition ON runs (pipeline_id, definition);

-- Runs that have ended while something in them waits for ever: as long as there is one, its pipeline is not FINISHED.
ALTER TABLE runs ADD COLUMN is_stuck boolean NOT NULL DEFAULT false;

UPDATE runs SET is_stuck = true WHERE (header::json #>> '{ended,stuck}')::boolean;

CREATE INDEX runs_unsettled ON runs (pipeline_id, id) WHERE is_open OR is_stuck;
