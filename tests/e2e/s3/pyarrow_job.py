"""The S3 file system of pyarrow does everything that a user of a drop bucket does."""

import os
import urllib.parse

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs

endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
big = os.urandom(1 << 20) * 70

location = urllib.parse.urlsplit(endpoint)
arrow = pyarrow.fs.S3FileSystem(
    endpoint_override=location.netloc, scheme=location.scheme, region=os.environ["AWS_REGION"], allow_bucket_creation=True,
    allow_bucket_deletion=True,
)
arrow.create_dir("arrow-bucket")
with arrow.open_output_stream("arrow-bucket/in/big") as stream:
    stream.write(big)
with arrow.open_input_file("arrow-bucket/in/big") as file:
    file.seek(5000)
    assert file.read(100) == big[5000:5100]
    file.seek(0)
    assert file.read() == big
arrow.copy_file("arrow-bucket/in/big", "arrow-bucket/copy/big")
table = pa.table({"number": list(range(100_000))})
with arrow.open_output_stream("arrow-bucket/data/a.csv") as stream:
    pyarrow.csv.write_csv(table, stream)
assert pyarrow.dataset.dataset("arrow-bucket/data", filesystem=arrow, format="csv").to_table().equals(table)
names = [info.path for info in arrow.get_file_info(pyarrow.fs.FileSelector("arrow-bucket", recursive=True)) if info.is_file]
assert sorted(names) == ["arrow-bucket/copy/big", "arrow-bucket/data/a.csv", "arrow-bucket/in/big"], names
arrow.delete_dir("arrow-bucket")
assert arrow.get_file_info("arrow-bucket").type == pyarrow.fs.FileType.NotFound
print("done")
