-- Times in columns are whole seconds since 1970, as the wire compares them; bodies hold milliseconds.

CREATE TABLE pipelines (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (name, unique_id)
);

-- Definitions are large and seldom change, so they stand apart from rows that often do.
CREATE TABLE definitions (
    pipeline_id TEXT NOT NULL,
    version TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (pipeline_id, version)
);

CREATE TABLE deleted_pipelines (
    id TEXT PRIMARY KEY,
    deleted_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
    pipeline_id TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    header TEXT NOT NULL,
    PRIMARY KEY (pipeline_id, id)
) WITHOUT ROWID;

-- The definition as a run was activated with it.
CREATE TABLE run_definitions (
    pipeline_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (pipeline_id, run_id)
);

CREATE INDEX runs_open ON runs (pipeline_id, id) WHERE is_open = 1;

-- `depends_on` never changes; `body` is written with every change and stays small.
CREATE TABLE instances (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    component_id TEXT NOT NULL,
    status TEXT NOT NULL,
    scheduled_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    depends_on TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (pipeline_id, id)
);

CREATE INDEX instances_of_run ON instances (pipeline_id, run_id, seq);
CREATE INDEX instances_by_status ON instances (pipeline_id, status, seq);

CREATE TABLE attempts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    component_id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    status TEXT NOT NULL,
    scheduled_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    body TEXT NOT NULL,
    UNIQUE (pipeline_id, id)
);

CREATE INDEX attempts_of_run ON attempts (pipeline_id, run_id, seq);
CREATE INDEX attempts_of_instance ON attempts (pipeline_id, instance_id, seq);

-- Notices that their topic has not taken yet; they outlive their pipeline.
CREATE TABLE notices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);
