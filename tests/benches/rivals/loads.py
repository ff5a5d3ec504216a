"""Loads a CSV file into the table staging.orders with one of the programs that people use for it.

loads.py NAME URL FILE, with NAME one of dlt, pandas, psycopg, sling. Each program does what its manual shows for a file
and a table that exists.
"""

import os
import subprocess
import sys
from urllib.parse import urlsplit

PIECE = 64 * 1024
ROWS = 50_000
TABLE = "orders"
SCHEMA = "staging"


def with_psycopg(url, file):
    import psycopg

    with psycopg.connect(url) as connection, open(file, "rb") as source:
        statement = f"COPY {SCHEMA}.{TABLE} FROM STDIN (FORMAT csv, HEADER)"
        with connection.cursor().copy(statement) as copy:
            while piece := source.read(PIECE):
                copy.write(piece)


def with_pandas(url, file):
    import pandas
    from sqlalchemy import create_engine

    engine = create_engine(url.replace("postgres://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        for rows in pandas.read_csv(file, chunksize=ROWS, parse_dates=["order_date"]):
            rows.to_sql(TABLE, connection, schema=SCHEMA, if_exists="append", index=False)


def with_dlt(url, file):
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt
    import pandas

    @dlt.resource(name=TABLE)
    def orders():
        yield from pandas.read_csv(file, chunksize=ROWS, parse_dates=["order_date"])

    # dlt asks for a password, which the server does not.
    address = urlsplit(url)
    credentials = f"postgresql://{address.username}:none@{address.hostname}:{address.port}{address.path}"
    destination = dlt.destinations.postgres(credentials)
    pipeline = dlt.pipeline(pipeline_name="bench", destination=destination, dataset_name="with_dlt")
    pipeline.run(orders(), loader_file_format="csv", write_disposition="replace")


def with_sling(url, file):
    import sling_linux_amd64

    folder = os.path.dirname(sling_linux_amd64.__file__)
    program = os.path.join(folder, "bin", "sling-linux-amd64")
    address = urlsplit(url)
    source = ["--src-stream", f"file://{file}"]
    target = ["--tgt-conn", f"{address.geturl()}?sslmode=disable", "--tgt-object", "with_sling.orders"]
    environment = {**os.environ, "SLING_DISABLE_TELEMETRY": "true"}
    command = [program, "run", *source, *target, "--mode", "full-refresh"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


name, url, file = sys.argv[1:]
{"dlt": with_dlt, "pandas": with_pandas, "psycopg": with_psycopg, "sling": with_sling}[name](url, file)
