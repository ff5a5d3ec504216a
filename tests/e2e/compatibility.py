"""Calls every operation of the tables in docs/compatibility.md with boto3, and compares the answers with the tables.

usage: compatibility.py docs/compatibility.md SECTION SERVICE
"""

import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

page, section, service = sys.argv[1:]

# Operations with these codes and texts are not implemented.
REFUSALS = {
    "datapipeline": ("UnknownOperationException", ""),
    "sns": ("InvalidAction", "is not implemented"),
    "kinesis": ("UnknownOperationException", ""),
    "firehose": ("UnknownOperationException", ""),
    "s3": ("NotImplemented", ""),
}
# Values of members that a made-up value would not fit.
VALUES = {"Bucket": "compatibility-of-nothing", "CopySource": "compatibility-of-nothing/key"}


def table():
    text = open(page, encoding="utf-8").read()
    found = re.search(rf"^## {re.escape(section)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {section}"
    rows = re.findall(r"^\| `(\w+)` \| (done|left out) \| (.+) \|$", found.group(1), re.MULTILINE)
    assert rows, f"the section {section} has no rows"
    assert all(why.strip() for _, _, why in rows)
    # AWS adds operations to some services every few months.
    others = re.search(r"^\| every other operation \| left out \| .+ \|$", found.group(1), re.MULTILINE)
    return {operation: here for operation, here, _ in rows}, others is not None


def made_up(shape, name=""):
    """Returns a value of the shape with all required members."""
    if name in VALUES:
        return VALUES[name]
    match shape.type_name:
        case "structure":
            # Of a union, boto3 wants exactly one member.
            members = shape.required_members or (list(shape.members)[:1] if getattr(shape, "is_tagged_union", False) else [])
            return {member: made_up(shape.members[member], member) for member in members}
        case "list":
            return [made_up(shape.member)]
        case "map":
            return {"key": made_up(shape.value)}
        case "string":
            return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))
        case "integer" | "long":
            return max(1, shape.metadata.get("min", 1))
        case "float" | "double":
            return 1.0
        case "boolean":
            return True
        case "blob":
            return b"x"
        case "timestamp":
            return 1
    raise AssertionError(f"no value for {shape}")


client = boto3.client(service, config=Config(read_timeout=2, retries={"total_max_attempts": 1}))
methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
expected, covers_others = table()
if covers_others:
    expected |= {operation: "left out" for operation in methods if operation not in expected}
missing = set(methods) - set(expected)
unknown = set(expected) - set(methods)
assert not missing and not unknown, f"the table lacks {sorted(missing)}, and boto3 lacks {sorted(unknown)}"
code, words = REFUSALS[service]
wrong = []
for operation, here in expected.items():
    shape = client.meta.service_model.operation_model(operation).input_shape
    try:
        getattr(client, methods[operation])(**(made_up(shape) if shape else {}))
        is_refused, answer = False, "an answer"
    except ClientError as error:
        answer = f"{error.response['Error']}"
        found = error.response["Error"]
        is_refused = found.get("Code") == code and words in found.get("Message", "")
    except ReadTimeoutError:
        # The operation waits for work.
        is_refused, answer = False, "no answer within 2 s"
    if is_refused != (here == "left out"):
        wrong.append(f"{operation} is {here}, and the service gave {answer}")
assert not wrong, "\n".join(wrong)
print(len(expected))
