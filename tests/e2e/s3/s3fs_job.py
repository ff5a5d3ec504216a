"""s3fs does everything that a user of a drop bucket does."""

import os
import urllib.request

import s3fs

endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
big = os.urandom(1 << 20) * 70

fs = s3fs.S3FileSystem(endpoint_url=endpoint, config_kwargs={"signature_version": "s3v4"})
fs.mkdir("fs-bucket")
fs.pipe("fs-bucket/in/small", b"hello")
fs.pipe("fs-bucket/in/big", big)
assert fs.cat("fs-bucket/in/big") == big
assert fs.cat_file("fs-bucket/in/big", start=1000, end=2000) == big[1000:2000]
with fs.open("fs-bucket/in/stream", "wb", block_size=8 << 20) as file:
    file.write(big)
assert fs.info("fs-bucket/in/stream")["size"] == len(big)
assert sorted(fs.ls("fs-bucket/in")) == ["fs-bucket/in/big", "fs-bucket/in/small", "fs-bucket/in/stream"]
fs.copy("fs-bucket/in/big", "fs-bucket/copy/big")
assert fs.du("fs-bucket/copy") == len(big)
fs.setxattr("fs-bucket/in/small", copy_kwargs={"Metadata": {"day": "monday"}})
with urllib.request.urlopen(fs.sign("fs-bucket/in/small", 60)) as answer:
    assert answer.read() == b"hello"
fs.rm("fs-bucket", recursive=True)
print("done")
