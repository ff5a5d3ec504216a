"""Prefect runs CHAINS chains of LINKS empty tasks with its own local server. Prints the seconds that they took."""

import logging
import os
import sys
import tempfile
import time

# A new database, which no other version of Prefect has written.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp()

from prefect import flow, task

CHAINS, LINKS = int(sys.argv[1]), int(sys.argv[2])


@task
def link(before):
    return (before or 0) + 1


@flow(log_prints=False)
def chains():
    last = []
    for _ in range(CHAINS):
        future = None
        for _ in range(LINKS):
            future = link.submit(future)
        last.append(future)
    return [future.result() for future in last]


@flow(log_prints=False)
def warm():
    return link.submit(None).result()


logging.disable(logging.CRITICAL)
warm()  # The server starts with the first flow.
begun = time.monotonic()
assert chains() == [LINKS] * CHAINS
print(time.monotonic() - begun)
