-- How often anything of the pipeline was saved: by this, who saves knows that nobody came between.
ALTER TABLE pipelines ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- When the run wants to be woken, in milliseconds since 1970.
ALTER TABLE runs ADD COLUMN next_wake INTEGER;

-- The worker group that may take the attempt, as long as it is free. Null in rows of older programs: those are offered
-- when their run is loaded.
ALTER TABLE attempts ADD COLUMN offered_to TEXT;
