"""Luigi runs CHAINS chains of LINKS empty tasks with two workers. Prints the seconds that they took."""

import logging
import os
import sys
import tempfile
import time

import luigi

CHAINS, LINKS = int(sys.argv[1]), int(sys.argv[2])
FOLDER = tempfile.mkdtemp()


class Link(luigi.Task):
    chain = luigi.IntParameter()
    number = luigi.IntParameter()

    def requires(self):
        return [Link(chain=self.chain, number=self.number - 1)] if self.number else []

    def output(self):
        return luigi.LocalTarget(os.path.join(FOLDER, f"{self.chain}-{self.number}"))

    def run(self):
        with self.output().open("w"):
            pass


logging.disable(logging.CRITICAL)
begun = time.monotonic()
last = [Link(chain=chain, number=LINKS - 1) for chain in range(CHAINS)]
assert luigi.build(last, local_scheduler=True, workers=2, log_level="CRITICAL")
taken = time.monotonic() - begun
assert len(os.listdir(FOLDER)) == CHAINS * LINKS
print(taken)
