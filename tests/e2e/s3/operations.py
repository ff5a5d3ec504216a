"""Calls every operation of S3 that boto3 knows, and compares the answer with the table of docs/compatibility.md.

A row `done` must not answer NotImplemented, and a row `left out` must.
"""

import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

text = open(sys.argv[1], encoding="utf-8").read()
section = re.search(r"^## S3$(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
table = dict(re.findall(r"^\| `(\w+)` \| (done|left out) \|", section, re.M))

s3 = boto3.client("s3", config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}))
model = s3.meta.service_model
s3.create_bucket(Bucket="table")

# Values of required members whose name says what they must be.
given = {
    "Bucket": "table",
    "Key": "key",
    "CopySource": "table/key",
    "Policy": '{"Version": "2012-10-17", "Statement": []}',
    "PartNumber": 1,
    "RequestRoute": "route",
    "RequestToken": "token",
    "Payer": "BucketOwner",
    "ObjectAttributes": ["ETag"],
    "ObjectOwnership": "BucketOwnerEnforced",
    "SSEAlgorithm": "AES256",
    "AllowedMethods": ["GET"],
    "AllowedOrigins": ["*"],
    "Delete": {"Objects": [{"Key": "none"}]},
    "RenameSource": "/table/key",
    "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/none",
}
# Arguments of operations that need more than the required members to mean something.
more = {
    "PutBucketVersioning": {"VersioningConfiguration": {"Status": "Suspended"}},
    "PutBucketLifecycle": {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Prefix": "x", "Expiration": {"Days": 1}}]}},
    "PutBucketLifecycleConfiguration": {
        "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 1}}]}
    },
    "PutBucketEncryption": {
        "ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    },
    "PutBucketAcl": {"ACL": "private"},
    "PutObjectAcl": {"ACL": "private"},
    "PutObjectLockConfiguration": {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
    "PutObjectRetention": {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"}},
    "PutObjectLegalHold": {"LegalHold": {"Status": "ON"}},
    "PutBucketLogging": {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "table", "TargetPrefix": "log/"}}},
    "PutBucketWebsite": {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}},
    "PutBucketAccelerateConfiguration": {"AccelerateConfiguration": {"Status": "Enabled"}},
    "RestoreObject": {"RestoreRequest": {"Days": 1}},
    "CompleteMultipartUpload": {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"e"'}]}},
}


def value(name, shape, depth=0):
    """Returns a value for a member: the given one, or the smallest of its shape."""
    if name in given:
        return given[name]
    if shape.type_name == "structure":
        if shape.is_tagged_union:
            first = next(iter(shape.members))
            return {first: value(first, shape.members[first], depth + 1)}
        return {member: value(member, shape.members[member], depth + 1) for member in shape.required_members}
    if shape.type_name == "list":
        return [value(name.rstrip("s"), shape.member, depth + 1)]
    if shape.type_name == "map":
        return {}
    if getattr(shape, "enum", None):
        return shape.enum[0]
    return {
        "string": "text", "integer": 1, "long": 1, "boolean": True, "blob": b"x", "timestamp": "2099-01-01T00:00:00Z",
    }.get(shape.type_name)


methods = {operation: method for method, operation in s3.meta.method_to_api_mapping.items()}
missing = sorted(set(model.operation_names) - set(table))
wrong = []
for operation in sorted(set(model.operation_names) & set(table)):
    if operation == "DeleteBucket":
        continue
    s3.put_object(Bucket="table", Key="key", Body=b"content")
    before = s3.head_object(Bucket="table", Key="key")["ETag"]
    shape = model.operation_model(operation).input_shape
    arguments = {name: value(name, shape.members[name]) for name in (shape.required_members if shape else [])}
    arguments |= more.get(operation, {})
    if "UploadId" in arguments:
        arguments["UploadId"] = s3.create_multipart_upload(Bucket="table", Key="key")["UploadId"]
    if operation == "CreateBucket":
        arguments["Bucket"] = "table-two"
    try:
        getattr(s3, methods[operation])(**arguments)
        code = "success"
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not error.response["Error"].get("Message") and operation not in ("HeadObject", "HeadBucket"):
            wrong.append(f"{operation}: {code} has no message")
    if (code in ("NotImplemented", "501")) != (table[operation] == "left out"):
        wrong.append(f"{operation}: `{table[operation]}` in the table, but the answer is {code} to {arguments}")
    if table[operation] == "left out" and s3.head_object(Bucket="table", Key="key")["ETag"] != before:
        wrong.append(f"{operation}: left out, but it changed the object")
s3.put_bucket_versioning(Bucket="table", VersioningConfiguration={"Status": "Suspended"})
boto3.resource("s3").Bucket("table").object_versions.delete()
s3.delete_bucket(Bucket="table")
stale = sorted(name for name in table if name not in model.operation_names and name not in ("PostObject",))
if missing or wrong:
    sys.exit("\n".join(wrong + [f"{name}: not in the table" for name in missing]))
print(f"{len(table)} operations as the table says" + (f"; unknown to this boto3: {stale}" if stale else ""))
