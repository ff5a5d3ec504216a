-- Every page that a change touches is written to the log, so what changes often is in few indexes, and entries that are
-- written at one time lie together. Pages of objects follow each other run by run, by the indexes of runs.
DROP INDEX instances_of_pipeline;
DROP INDEX attempts_of_pipeline;

-- An attempt's id begins with that of its instance, so the index of ids finds an instance's attempts.
DROP INDEX attempts_of_instance;

-- Only of what is under way or ended badly: few, and what is looked for among many.
DROP INDEX instances_by_status;
CREATE INDEX instances_by_status ON instances (pipeline_id, status, run_id)
WHERE status NOT IN ('FINISHED', 'WAITING_ON_DEPENDENCIES');
