"""Writes tables as text files in many dialects, for the tests of random tables: write_tables.py JOBS.

JOBS is a file with a list in JSON. Each job has the path of the file to write, the names of the columns, the rows, where
null is NULL, and the dialect. The writer `csv` is Python's own; the writer `own` is the one below, for what Python's cannot
write.
"""

import bz2, csv, gzip, io, json, lzma, random, sys, zipfile
import zstandard


class Null(float):
    """NULL for Python's writer, which quotes everything but numbers."""

    def __new__(cls, word):
        null = super().__new__(cls)
        null.word = word
        return null

    def __str__(self):
        return self.word


def field(text, job, dice, first):
    """Returns a field as our own writer writes it. Quotes that are not needed are a matter of chance."""
    quote, escape, separator, end = job["quote"], job["escape"], job["separator"], job["end"]
    if text is None:
        return job["null"]
    words = [job["null"], *job["nulls"], ""]
    if quote is None:
        special = {separator[0], end[0], escape, "\r", "\n"}
        out = "".join(escape + letter if letter in special else letter for letter in text)
        is_comment = first and job["comment"] and text.startswith(job["comment"])
        if (text in words or is_comment or first and text.lower().startswith("sep=")) and not out.startswith(escape):
            out = escape + out
        return out
    special = {*separator, *end, quote, escape, "\r", "\n"}
    # Readers differ about blanks at the edges of a field without quotes; ours keeps them in texts.
    needed = special & set(text) or text in words or first and (text[:1] in job["comment"][:1] or text[:4].lower() == "sep=")
    if not needed and job["quoting"] != "all" and (job["quoting"] == "minimal" or dice.random() < 0.5):
        return text
    doubled = text.replace(escape, escape * 2).replace(quote, escape + quote) if escape else text.replace(quote, quote * 2)
    return quote + doubled + quote


def record(row, job, dice):
    if job["writer"] == "own":
        fields = [field(text, job, dice, index == 0) for index, text in enumerate(row)]
        return job["separator"].join(fields) + (job["separator"] if job["trailing"] else "") + job["end"]
    out = io.StringIO()
    options = {"delimiter": job["separator"], "lineterminator": job["end"], "quotechar": job["quote"]}
    options["quoting"] = csv.QUOTE_NONE if job["quote"] is None else csv.QUOTE_NONNUMERIC
    if job["escape"]:
        options |= {"escapechar": job["escape"], "doublequote": False}
    csv.writer(out, **options).writerow([Null(job["null"]) if text is None else text for text in row])
    return out.getvalue()


def text_of(job):
    dice = random.Random(job["seed"])
    out = [line + job["end"] for line in job["head"]]
    if job["names_separator"]:
        out.append(f"sep={job['separator']}{job['end']}")
    rows = [*([job["names"]] if job["header"] else []), *job["rows"]]
    for row in rows:
        if job["comment"] and dice.random() < 0.3:
            out.append(f"{job['comment']} a \"remark{job['separator']}{job['end']}")
        if job["blank_lines"] and dice.random() < 0.3:
            out.append(job["end"])
        out.append(record(row, job, dice))
    out += [line + job["end"] for line in job["foot"]]
    text = "".join(out)
    # The last line may lack its end.
    return text.removesuffix(job["end"]) if job["open_end"] else text


def write(job):
    data = text_of(job).encode(job["codec"])
    if job["marks"]:
        data = "\ufeff".encode(job["codec"]) * job["marks"] + data
    packing, path = job["packing"], job["path"]
    if packing == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            return archive.writestr("table.csv", data)
    pack = {"none": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress,
            "zstd": zstandard.ZstdCompressor().compress}[packing]
    with open(path, "wb") as file:
        file.write(pack(data))


with open(sys.argv[1], encoding="utf-8") as jobs:
    for job in json.load(jobs):
        write(job)
