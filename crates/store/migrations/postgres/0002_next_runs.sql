-- When a scheduled pipeline's next run is due, in milliseconds since 1970: what a server must know of pipelines that
-- rest, without reading them.
ALTER TABLE pipelines ADD COLUMN next_due bigint;

CREATE INDEX pipelines_next_due ON pipelines (next_due) WHERE next_due IS NOT NULL;

-- By its hash, which may be of a text of any length.
CREATE INDEX instances_by_id ON instances USING hash (id);
