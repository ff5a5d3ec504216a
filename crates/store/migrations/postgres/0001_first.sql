-- As migrations/sqlite: times in columns are whole seconds since 1970, bodies are JSON and hold milliseconds.
-- Bodies are text: jsonb refuses U+0000, which a runner may well report.
-- Texts sort by their bytes (COLLATE "C"), so that lists have the same order in every database.
-- No index holds a text that a user may choose: PostgreSQL's indexes refuse long ones.
-- No foreign keys: a run with thousands of instances would check each, and `delete_pipeline` is the only way out.

CREATE TABLE pipelines (
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    -- Digest of name and unique id, which together make creation idempotent.
    creation_key bytea NOT NULL UNIQUE,
    body text COLLATE "C" NOT NULL
);

-- Definitions are large and seldom change, so they stand apart from rows that often do.
CREATE TABLE definitions (
    pipeline_id text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline_id, version)
);

CREATE TABLE deleted_pipelines (
    id text COLLATE "C" PRIMARY KEY,
    deleted_at bigint NOT NULL
);

CREATE TABLE runs (
    pipeline_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    is_open boolean NOT NULL,
    header text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline_id, id)
);

-- The definition as a run was activated with it.
CREATE TABLE run_definitions (
    pipeline_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline_id, run_id)
);

CREATE INDEX runs_open ON runs (pipeline_id, id) WHERE is_open;

-- `depends_on` never changes; `body` is written with every change and stays small. What changes is in no index,
-- and pages keep room: so a change writes the row alone, beside its old version.
CREATE TABLE instances (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    pipeline_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    component_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    scheduled_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    depends_on text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline_id, run_id, sequence)
) WITH (fillfactor = 70);

CREATE INDEX instances_of_pipeline ON instances (pipeline_id, seq);

CREATE TABLE attempts (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    pipeline_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    number bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    component_id text COLLATE "C" NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    scheduled_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (pipeline_id, run_id, sequence, number)
) WITH (fillfactor = 70);

CREATE INDEX attempts_of_pipeline ON attempts (pipeline_id, seq);

-- Notices that their topic has not taken yet; they outlive their pipeline.
CREATE TABLE notices (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" PRIMARY KEY,
    body text COLLATE "C" NOT NULL
);
