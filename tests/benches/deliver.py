"""Parses, checks, writes and packs records as a stream does. $1 is the stream file, $2 the records. Prints records a second."""
import gzip
import io
import json
import sys
import time

import jsonschema

schema = json.load(open(sys.argv[1]))["schema"]
records = open(sys.argv[2], "rb").read().splitlines()[:20_000]
start = time.perf_counter()
validator = jsonschema.validators.validator_for(schema)(schema)
packed = gzip.GzipFile(fileobj=io.BytesIO(), mode="wb", compresslevel=1)
for record in records:
    value = json.loads(record)
    if validator.is_valid(value):
        packed.write(json.dumps(value).encode() + b"\n")
packed.close()
print(len(records) / (time.perf_counter() - start))
