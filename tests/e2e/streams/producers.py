"""Eight producers put visits by three protocols until standard input ends. $1 is a folder: each producer writes the ids that were
acknowledged into a file there. A request that fails is not sent again, so its records are there once or not at all."""
import json
import os
import sys
import threading
import time

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

FOLDER = sys.argv[1]
URL, KEY = os.environ["DOWNSPOUT_STREAMS_URL"] + "/streams/user-utm", os.environ["DOWNSPOUT_API_KEY"]
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
done = threading.Event()


def visit(number, name):
    # Every 40th record does not fit the schema: it must end in quarantine.
    complete = {"medium": "cpc"} if number % 40 else {}
    return json.dumps({"request_id": f"{name}-{number:06}", "source": "producer", **complete})


def by_kinesis(records):
    client = boto3.client("kinesis", config=ONCE)
    entries = [{"Data": record, "PartitionKey": record[16:30]} for record in records]
    return client.put_records(StreamName="user-utm", Records=entries)["FailedRecordCount"] == 0


def by_firehose(records):
    client = boto3.client("firehose", config=ONCE)
    answer = client.put_record_batch(DeliveryStreamName="user-utm", Records=[{"Data": record} for record in records])
    return answer["FailedPutCount"] == 0


def by_http(records):
    body = {"Records": [{"Data": json.loads(record), "PartitionKey": "k"} for record in records]}
    headers = {"x-api-key": KEY, "Content-Type": "application/json"}
    answer = requests.put(URL + "/records", json=body, headers=headers, timeout=20)
    return answer.status_code == 200 and answer.json()["FailedRecordCount"] == 0


def produce(name, put):
    number = 0
    with open(os.path.join(FOLDER, name), "w", buffering=1) as acknowledged:
        while not done.is_set():
            numbers = range(number, number + 25)
            number += 25
            try:
                taken = put([visit(n, name) for n in numbers])
            except (BotoCoreError, ClientError, requests.RequestException, ConnectionError):
                taken = False
            if taken:
                acknowledged.write("".join(f"{name}-{n:06}\n" for n in numbers))
            else:
                time.sleep(0.05)


WAYS = {"kinesis": by_kinesis, "firehose": by_firehose, "http": by_http}
threads = [
    threading.Thread(target=produce, args=(f"{way}{number}", WAYS[way]))
    for number in range(3) for way in WAYS if (way, number) != ("http", 2)
]
for thread in threads:
    thread.start()
sys.stdin.read()
done.set()
for thread in threads:
    thread.join()
