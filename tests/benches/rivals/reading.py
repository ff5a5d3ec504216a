"""Reads a CSV file on one core, every column as text, and prints the seconds and the sum of the lengths of the texts.

reading.py NAME FILE, with NAME duckdb or polars.
"""

import os
import sys
import time

os.environ["POLARS_MAX_THREADS"] = "1"


def with_duckdb(file):
    import duckdb

    database = duckdb.connect(config={"threads": 1})
    options = "header=true, all_varchar=true, delim=',', quote='\"', escape='\"'"
    rows = f"read_csv('{file}', {options})"
    names = [row[0] for row in database.sql(f"DESCRIBE SELECT * FROM {rows}").fetchall()]
    lengths = " + ".join(f"sum(strlen({name}))" for name in names)
    start = time.perf_counter()
    ((length,),) = database.sql(f"SELECT {lengths} FROM {rows}").fetchall()
    return time.perf_counter() - start, int(length)


def with_polars(file):
    import polars

    start = time.perf_counter()
    table = polars.read_csv(file, infer_schema=False)
    seconds = time.perf_counter() - start
    length = sum(table.select(polars.all().str.len_bytes().sum()).row(0))
    return seconds, length


name, file = sys.argv[1:]
print(*{"duckdb": with_duckdb, "polars": with_polars}[name](file))
