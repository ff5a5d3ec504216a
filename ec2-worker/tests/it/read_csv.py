"""Reads CSV from the standard input with Python's own reader, and prints its rows as JSON.

The arguments are the encoding, the separator, the quote or "none", and the escape or "none".
"""

import csv
import io
import json
import sys

encoding, separator, quote, escape = sys.argv[1:5]
text = io.TextIOWrapper(sys.stdin.buffer, encoding=encoding, newline="")
options = {"delimiter": separator, "doublequote": escape == "none", "strict": True}
if quote == "none":
    options["quoting"] = csv.QUOTE_NONE
else:
    options["quotechar"] = quote
if escape != "none":
    options["escapechar"] = escape
json.dump(list(csv.reader(text, **options)), sys.stdout)
