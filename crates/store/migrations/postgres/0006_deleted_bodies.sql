-- The pipeline as it was when it was deleted: for a moment, it is still described, as DELETING.
ALTER TABLE deleted_pipelines ADD COLUMN body text COLLATE "C";
