// The AWS SDK for JavaScript puts to both protocols. Prints how many records it has put into user-events and user-utm.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(process.env.NPM_FOLDER + "/");
const { KinesisClient, ListStreamsCommand, PutRecordCommand, PutRecordsCommand } = require("@aws-sdk/client-kinesis");
const { FirehoseClient, PutRecordCommand: PutToFirehose, PutRecordBatchCommand } = require("@aws-sdk/client-firehose");

const event = () => Buffer.from(JSON.stringify({
    request_id: randomUUID(), request_timestamp: "2026-06-01 00:00:24.000000", cookie_id: randomUUID(), topic: "from.javascript",
    message: null, environment: "cms", website_id: null, user_account_id: null, location: "https://www.example.com/ü",
    user_agent: "node", referrer: null,
}));
const visit = () => Buffer.from(JSON.stringify({ request_id: randomUUID(), source: "newsletter", medium: "email" }));

const kinesis = new KinesisClient({});
const names = (await kinesis.send(new ListStreamsCommand({}))).StreamNames;
assert.ok(names.includes("user-events"));
const StreamName = "user-events";
const one = await kinesis.send(new PutRecordCommand({ StreamName, Data: event(), PartitionKey: randomUUID() }));
assert.equal(one.SequenceNumber.length, 56);
const Records = Array.from({ length: 20 }, () => ({ Data: event(), PartitionKey: randomUUID() }));
const many = await kinesis.send(new PutRecordsCommand({ StreamName, Records }));
assert.equal(many.FailedRecordCount, 0);
await assert.rejects(
    kinesis.send(new PutRecordCommand({ StreamName: "nowhere", Data: event(), PartitionKey: "k" })),
    { name: "ResourceNotFoundException" },
);

const firehose = new FirehoseClient({});
const DeliveryStreamName = "user-utm";
assert.ok((await firehose.send(new PutToFirehose({ DeliveryStreamName, Record: { Data: visit() } }))).RecordId);
const batch = Array.from({ length: 20 }, () => ({ Data: visit() }));
const answer = await firehose.send(new PutRecordBatchCommand({ DeliveryStreamName, Records: batch }));
assert.equal(answer.FailedPutCount, 0);
console.log(21, 21);
