"""boto3 does everything that a producer does, on Kinesis and on Firehose.

Prints how many records it has put into user-events and user-utm.
"""
import uuid

import boto3
from botocore.exceptions import ClientError

from records import event, visit

kinesis, firehose = boto3.client("kinesis"), boto3.client("firehose")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, error.response)
        assert error.response["Error"]["Message"], error.response
        assert 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 600
        return error.response["Error"]["Message"]
    raise AssertionError(f"{call.__name__} {arguments} was not refused with {code}")


def on_kinesis():
    names = [name for page in kinesis.get_paginator("list_streams").paginate() for name in page["StreamNames"]]
    assert {"user-data", "user-events", "user-utm"} <= set(names), names
    summary = kinesis.describe_stream_summary(StreamName="user-events")["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE" and summary["OpenShardCount"] == 1, summary
    arn = summary["StreamARN"]
    assert arn.endswith(":stream/user-events"), arn
    whole = kinesis.describe_stream(StreamARN=arn)["StreamDescription"]
    assert [shard["ShardId"] for shard in whole["Shards"]] == ["shardId-000000000000"], whole
    shards = kinesis.list_shards(StreamName="user-events")["Shards"]
    assert shards[0]["HashKeyRange"]["EndingHashKey"] == str(2**128 - 1), shards

    first = kinesis.put_record(StreamName="user-events", Data=event().encode(), PartitionKey=str(uuid.uuid4()))
    assert len(first["SequenceNumber"]) == 56 and first["ShardId"] == "shardId-000000000000", first
    entries = [{"Data": event(n), "PartitionKey": str(uuid.uuid4())} for n in range(500)]
    many = kinesis.put_records(StreamARN=arn, Records=entries)
    assert many["FailedRecordCount"] == 0 and len(many["Records"]) == 500, many
    numbers = [first["SequenceNumber"]] + [record["SequenceNumber"] for record in many["Records"]]
    assert numbers == sorted(set(numbers)), "sequence numbers rise"

    kinesis.create_stream(StreamName="made-by-boto3", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="made-by-boto3", WaiterConfig={"Delay": 1})
    shards = kinesis.list_shards(StreamName="made-by-boto3")["Shards"]
    assert len(shards) == 2, shards
    used = {kinesis.put_record(StreamName="made-by-boto3", Data=b"{}", PartitionKey=str(n))["ShardId"] for n in range(50)}
    assert used == {shard["ShardId"] for shard in shards}, used
    hashed = kinesis.put_record(StreamName="made-by-boto3", Data=b"{}", PartitionKey="x", ExplicitHashKey=str(2**128 - 1))
    assert hashed["ShardId"] == shards[1]["ShardId"], hashed
    refused("ResourceInUseException", kinesis.create_stream, StreamName="made-by-boto3", ShardCount=1)
    kinesis.delete_stream(StreamName="made-by-boto3")
    kinesis.get_waiter("stream_not_exists").wait(StreamName="made-by-boto3", WaiterConfig={"Delay": 1})

    put = dict(StreamName="user-events", Data=b"{}", PartitionKey="k")
    refused("ResourceNotFoundException", kinesis.put_record, **{**put, "StreamName": "nowhere"})
    refused("ResourceNotFoundException", kinesis.describe_stream, StreamName="nowhere")
    refused("ResourceNotFoundException", kinesis.delete_stream, StreamName="nowhere")
    refused("ValidationException", kinesis.put_record, **{**put, "PartitionKey": "k" * 257})
    refused("ValidationException", kinesis.put_record, **{**put, "Data": b"x" * (1 << 20) + b"x"})
    refused("InvalidArgumentException", kinesis.put_record, **put, ExplicitHashKey=str(2**128))
    refused("ValidationException", kinesis.put_records, StreamName="user-events", Records=entries + entries[:1])
    message = refused("ResourceInUseException", kinesis.create_stream, StreamName="user-events", ShardCount=1)
    assert "a file defines it" in message, message
    message = refused("ResourceInUseException", kinesis.delete_stream, StreamName="user-events")
    assert "streams/user-events.json" in message, message
    return 501


def on_firehose():
    names = firehose.list_delivery_streams()["DeliveryStreamNames"]
    assert {"user-data", "user-events", "user-utm"} <= set(names), names
    described = firehose.describe_delivery_stream(DeliveryStreamName="user-utm")["DeliveryStreamDescription"]
    assert described["DeliveryStreamStatus"] == "ACTIVE", described
    destination = described["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert destination["Prefix"].startswith("tracking/utm/"), destination

    one = firehose.put_record(DeliveryStreamName="user-utm", Record={"Data": visit()})
    assert one["RecordId"], one
    batch = firehose.put_record_batch(
        DeliveryStreamName="user-utm", Records=[{"Data": visit(campaign=f"number {n}")} for n in range(500)])
    assert batch["FailedPutCount"] == 0 and len({answer["RecordId"] for answer in batch["RequestResponses"]}) == 500

    settings = {
        "RoleARN": "arn:aws:iam::000000000000:role/delivery", "BucketARN": "arn:aws:s3:::downspout-results",
        "Prefix": "made/", "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}, "CompressionFormat": "GZIP",
    }
    made = firehose.create_delivery_stream(
        DeliveryStreamName="made-by-firehose", ExtendedS3DestinationConfiguration=settings)
    assert made["DeliveryStreamARN"].endswith(":deliverystream/made-by-firehose"), made
    refused("ResourceInUseException", firehose.create_delivery_stream, DeliveryStreamName="made-by-firehose",
            ExtendedS3DestinationConfiguration=settings)
    described = firehose.describe_delivery_stream(DeliveryStreamName="made-by-firehose")["DeliveryStreamDescription"]
    destination = described["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert destination["CompressionFormat"] == "GZIP" and destination["Prefix"] == "made/", destination
    firehose.put_record(DeliveryStreamName="made-by-firehose", Record={"Data": '{"a": 1}'})
    refused("ResourceNotFoundException", firehose.put_record, DeliveryStreamName="nowhere", Record={"Data": b"{}"})
    refused("ResourceNotFoundException", firehose.delete_delivery_stream, DeliveryStreamName="nowhere")
    refused("ValidationException", firehose.put_record, DeliveryStreamName="user-utm",
            Record={"Data": b"x" * (1000 * 1024 + 1)})
    return 501


print(on_kinesis(), on_firehose())
