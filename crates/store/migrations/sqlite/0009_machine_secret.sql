-- The secret from which the access keys of machines are derived. Every server on the store uses the same one.
CREATE TABLE machine_secret (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    secret TEXT NOT NULL
);
