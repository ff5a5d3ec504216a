-- The stream itself: one row.
CREATE TABLE stream (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    name TEXT NOT NULL,
    -- Unique among all streams that ever were, also those of the same name.
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- Where the definition comes from: `file`, `kinesis` or `firehose`.
    origin TEXT NOT NULL,
    -- Facts that only the protocols show: the capacity mode of Kinesis, and the role that Firehose was given.
    is_on_demand INTEGER NOT NULL,
    role_arn TEXT,
    -- Whether the stream ends as soon as its waiting records are delivered.
    is_ending INTEGER NOT NULL DEFAULT 0
);

-- Every definition that was in force.
CREATE TABLE version (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    -- The texts of the stream file and of the files beside it, as JSON.
    source TEXT NOT NULL
);

-- Accepted records: one row for each group of requests and shard, with all records of both in one blob.
CREATE TABLE batch (
    -- The number of the first record. The records of a row have consecutive numbers.
    first INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    records INTEGER NOT NULL,
    -- The data of the records, without keys and frames.
    bytes INTEGER NOT NULL,
    -- When the first record of the row arrived, in milliseconds.
    arrived_at INTEGER NOT NULL,
    body BLOB NOT NULL
);

-- The cuts, each of which is one delivery.
CREATE TABLE cut (
    number INTEGER PRIMARY KEY,
    -- The rows of `batch` that belong to the cut: greater than `after_row`, up to and including `last_row`.
    after_row INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- A random text that the names of the cut's objects contain.
    mark TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    oldest_at INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    -- NULL while the delivery goes on; the counts follow then.
    done_at INTEGER,
    opened INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    lines INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    left_out INTEGER NOT NULL DEFAULT 0
);

-- The sums over the whole life of the stream: one row. They are kept and never counted again, so that a start is fast.
CREATE TABLE totals (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    next_number INTEGER NOT NULL,
    accepted_records INTEGER NOT NULL,
    accepted_bytes INTEGER NOT NULL,
    -- The records of all cuts that are done.
    settled_records INTEGER NOT NULL,
    settled_bytes INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    left_out INTEGER NOT NULL
);
INSERT INTO totals VALUES (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
