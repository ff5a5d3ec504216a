-- The secret from which the access keys of machines are derived. Every server on the store uses the same one.
CREATE TABLE machine_secret (
    only_row boolean PRIMARY KEY CHECK (only_row),
    secret text COLLATE "C" NOT NULL
);
