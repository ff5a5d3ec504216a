"""Lets other programs write files for a load, and read the files of an export.

foreign_programs.py write FOLDER: writes the same table by each program, in the dialects that the program has.
foreign_programs.py read JOBS: reads files, and prints the rows of each as JSON. A job is the reader, the path, and its options.
"""

import datetime, json, sys
import duckdb, pandas, polars, pyarrow, pyarrow.csv

NOTES = ["plain", "b,c;d|e", 'say "x"', "two\nlines", "back\\slash", "tail\\", " blanks ", "it's", "é😀", None, "", "tab\there"]
COLUMNS = {
    "id": list(range(len(NOTES))),
    "note": NOTES,
    "price": [0.1, None, -1e-7, 1e300] * 3,
    "day": [datetime.date(2024, 2, 29), None] * 6,
    "at": [datetime.datetime(2024, 1, 31, 10, 30, 0, 500000), None, datetime.datetime(1999, 12, 31, 23, 59, 59)] * 4,
    "paid": [True, False, None] * 4,
}


def write(folder):
    table = pyarrow.table(COLUMNS)
    frame = polars.from_arrow(table)
    frame.write_csv(f"{folder}/polars.csv")
    frame.write_csv(f"{folder}/polars_lines.csv", separator=";", line_terminator="\r\n")
    frame.write_csv(f"{folder}/polars_words.csv", separator="\t", quote_style="non_numeric", null_value="NA", include_bom=True)
    pyarrow.csv.write_csv(table, f"{folder}/arrow.csv")
    with pyarrow.CompressedOutputStream(f"{folder}/arrow.csv.gz", "gzip") as out:
        pyarrow.csv.write_csv(table, out)
    with pyarrow.CompressedOutputStream(f"{folder}/arrow.csv.zst", "zstd") as out:
        pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(delimiter="|"))
    duckdb.register("orders", table)
    for name, options in {
        "duck.csv": "",
        "duck.csv.gz": "COMPRESSION gzip",
        "duck.csv.zst": "COMPRESSION zstd",
        "duck_bars.csv": "DELIMITER '|', QUOTE '''', ESCAPE '''', NULLSTR 'NULL'",
        "duck_escape.csv": "ESCAPE '\\', NULLSTR 'none', FORCE_QUOTE (note)",
        "duck_dates.csv": "DATEFORMAT '%d.%m.%Y', TIMESTAMPFORMAT '%d.%m.%Y %H:%M:%S.%f'",
    }.items():
        duckdb.sql(f"COPY orders TO '{folder}/{name}' (FORMAT csv, HEADER{options and ', ' + options})")
    data = pandas.DataFrame({name: pandas.Series(values, dtype=object) for name, values in COLUMNS.items()})
    for name in ("pandas.csv", "pandas.csv.gz", "pandas.csv.bz2", "pandas.csv.xz", "pandas.csv.zst", "pandas.csv.zip"):
        data.to_csv(f"{folder}/{name}", index=False)


def read(reader, path, options):
    if reader == "pandas":
        return pandas.read_csv(path, **options)
    if reader == "polars":
        return polars.read_csv(path, **options).to_pandas()
    if reader == "arrow":
        parse = pyarrow.csv.ParseOptions(newlines_in_values=True, **options)
        return pyarrow.csv.read_csv(path, parse_options=parse).to_pandas()
    given = "".join(f", {name}={value}" for name, value in options.items())
    return duckdb.sql(f"SELECT * FROM read_csv('{path}'{given})").df()


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    found = []
    for reader, path, options in json.loads(sys.argv[2]):
        data = read(reader, path, options)
        rows = [[None if pandas.isna(value) else str(value) for value in row] for row in data.astype(object).values.tolist()]
        found.append([list(data.columns), *rows])
    json.dump(found, sys.stdout)
