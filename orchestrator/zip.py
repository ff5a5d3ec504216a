"""zip.py PROGRAM ZIP: makes the zip of a Lambda function. The same program always gives the same bytes."""

import sys
import zipfile

program, target = sys.argv[1:]
# The earliest time that a zip can hold, in place of the time of the build.
entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
entry.compress_type = zipfile.ZIP_DEFLATED
entry.create_system = 3  # Unix, so that the mode counts
entry.external_attr = 0o100755 << 16
with open(program, "rb") as file, zipfile.ZipFile(target, "w") as archive:
    archive.writestr(entry, file.read(), compresslevel=9)
