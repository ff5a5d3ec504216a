-- As migrations/sqlite, and indexes for what every server asks every second.
ALTER TABLE pipelines ADD COLUMN revision bigint NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN next_wake bigint;

CREATE INDEX runs_next_wake ON runs (next_wake) WHERE next_wake IS NOT NULL;

ALTER TABLE attempts ADD COLUMN offered_to text COLLATE "C";

-- By a digest, since indexes refuse long texts.
CREATE INDEX attempts_offered ON attempts (md5(offered_to), seq) WHERE offered_to IS NOT NULL;

-- The server that is about to publish the notice, and until when the others leave it to that one.
ALTER TABLE notices ADD COLUMN claimed_by text COLLATE "C";
ALTER TABLE notices ADD COLUMN claimed_until timestamptz;
