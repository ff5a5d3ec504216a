-- A page of a pipeline's objects follows the one before it; `seq` is the row's own number, so the index holds it.
-- Without these every page sorted all of the pipeline's objects.
CREATE INDEX instances_of_pipeline ON instances (pipeline_id);
CREATE INDEX attempts_of_pipeline ON attempts (pipeline_id);
