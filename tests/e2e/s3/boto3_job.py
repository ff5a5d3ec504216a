"""boto3 does everything that a user of a drop bucket does."""

import io
import os
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
bucket = "boto3-bucket"
s3.create_bucket(Bucket=bucket)
big = os.urandom(1 << 20) * 70


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Message"], error.response
        assert error.response["ResponseMetadata"]["RequestId"], error.response
        return error.response["Error"]["Code"]
    raise AssertionError(f"{call} was not refused")


# Small and large objects, with the checksums that botocore sends in trailers.
s3.put_object(Bucket=bucket, Key="in/small", Body=b"hello", Tagging="a=1", Metadata={"day": "monday"})
s3.upload_fileobj(io.BytesIO(big), bucket, "in/big", Config=TransferConfig(multipart_chunksize=8 << 20))
for algorithm in ("CRC32", "SHA1", "SHA256"):
    put = s3.put_object(Bucket=bucket, Key=f"sums/{algorithm}", Body=io.BytesIO(b"hello"), ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"], put
    got = s3.get_object(Bucket=bucket, Key=f"sums/{algorithm}", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[f"Checksum{algorithm}"]) == (b"hello", put[f"Checksum{algorithm}"]), got
assert s3.head_object(Bucket=bucket, Key="in/small")["Metadata"] == {"day": "monday"}
assert s3.get_object_tagging(Bucket=bucket, Key="in/small")["TagSet"] == [{"Key": "a", "Value": "1"}]
target = io.BytesIO()
s3.download_fileobj(bucket, "in/big", target)
assert target.getvalue() == big
ranged = s3.get_object(Bucket=bucket, Key="in/big", Range="bytes=8388600-8388615")
assert ranged["Body"].read() == big[8388600:8388616]
attributes = s3.get_object_attributes(Bucket=bucket, Key="in/big", ObjectAttributes=["ObjectParts", "ObjectSize", "Checksum"])
assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (len(big), 9), attributes

# Copies: whole, in parts, and with conditions.
s3.copy({"Bucket": bucket, "Key": "in/big"}, bucket, "in/copy", Config=TransferConfig(multipart_chunksize=16 << 20))
assert s3.head_object(Bucket=bucket, Key="in/copy")["ContentLength"] == len(big)
assert code(s3.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/in/small", CopySourceIfMatch='"no"') == "PreconditionFailed"
assert code(s3.put_object, Bucket=bucket, Key="in/small", Body=b"x", IfNoneMatch="*") == "PreconditionFailed"
assert code(s3.delete_object, Bucket=bucket, Key="in/small", IfMatch='"no"') == "PreconditionFailed"
etag = s3.head_object(Bucket=bucket, Key="in/small")["ETag"]
assert code(s3.get_object, Bucket=bucket, Key="in/small", IfNoneMatch=etag) == "304"
s3.copy_object(Bucket=bucket, Key="in/small", CopySource=f"{bucket}/sums/SHA1", IfMatch=etag)

# Lists, with a key that XML cannot contain, and many deletes.
s3.put_object(Bucket=bucket, Key="in/odd\x01\r\n&<", Body=b"odd")
keys = [f"many/{number:04}" for number in range(1200)]
for key in keys:
    s3.put_object(Bucket=bucket, Key=key)
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="many/")
assert [item["Key"] for page in pages for item in page["Contents"]] == keys
folded = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
assert [item["Prefix"] for item in folded["CommonPrefixes"]] == ["in/", "many/", "sums/"], folded
for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="in/"):
    assert "in/odd\x01\r\n&<" in [version["Key"] for version in page["Versions"]], page
# DeleteObjects has no encoding for its answer, so Python cannot read the answer for such a key, as on AWS.
s3.delete_object(Bucket=bucket, Key="in/odd\x01\r\n&<")

# Presigned requests.
signer = boto3.client("s3", config=Config(signature_version="s3v4"))
url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "signed"})
urllib.request.urlopen(urllib.request.Request(url, data=b"signed", method="PUT")).close()
url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "signed", "ResponseContentType": "text/csv"})
with urllib.request.urlopen(url) as answer:
    assert (answer.read(), answer.headers["Content-Type"]) == (b"signed", "text/csv")
try:
    urllib.request.urlopen(url.replace("/signed?", "/in/small?"))
    raise AssertionError("the signature of another key was accepted")
except urllib.error.HTTPError as error:
    assert error.code == 403, error

# Versions, and a bucket that is emptied as the documentation of AWS says.
s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
s3.put_object(Bucket=bucket, Key="signed", Body=b"again")
s3.delete_object(Bucket=bucket, Key="signed")
versions = s3.list_object_versions(Bucket=bucket, Prefix="signed")
assert (len(versions["Versions"]), len(versions["DeleteMarkers"])) == (2, 1), versions
boto3.resource("s3").Bucket(bucket).object_versions.delete()
s3.create_multipart_upload(Bucket=bucket, Key="never-completed")
s3.delete_bucket(Bucket=bucket)
print("done")
