"""Reads files of the corpus with Python's csv module, and stores their rows with psycopg: corpus.py URL CASES.

CASES is an object in JSON: for each table a file and how to read it."""

import csv, json, sys
import psycopg

url, cases = sys.argv[1], json.loads(sys.argv[2])
with psycopg.connect(url) as connection:
    connection.execute("SET timezone = 'UTC'")
    for table, (path, how) in cases.items():
        encoding, skip, header = how.pop("encoding", "utf-8-sig"), how.pop("skip", 0), how.pop("header", True)
        null = how.pop("null", "")
        columns = [column.name for column in connection.execute(f"SELECT * FROM {table}_python").description]
        with open(path, encoding=encoding, newline="") as file:
            for _ in range(skip):
                file.readline()
            rows = [row for row in csv.reader(file, **how) if any(row)]
        names = rows.pop(0) if header else columns[: len(rows[0])]
        listed = ", ".join('"%s"' % name.strip().lower().replace(" ", "_") for name in names)
        types = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0", (f"{table}_python",)).fetchall()
        types = dict(types)
        marks = ", ".join(f"%s::text::{types[name.strip().lower().replace(' ', '_')]}" for name in names)
        for row in rows:
            values = [None if value == null else value for value in row]
            connection.execute(f"INSERT INTO {table}_python ({listed}) VALUES ({marks})", values)
