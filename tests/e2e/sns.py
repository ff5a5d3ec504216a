"""Every operation of the local SNS by boto3, and its refusals."""

import email
import email.policy
import glob
import json
import os
import sys

import boto3
from botocore.exceptions import ClientError

outbox = sys.argv[1]
sns = boto3.client("sns")


def refused(code, message, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        assert (found["Code"], found["Message"]) == (code, message), found
    else:
        raise AssertionError(f"not refused: {call} {arguments}")


def mails(subject):
    found = []
    for path in sorted(glob.glob(os.path.join(outbox, "*.eml"))):
        with open(path, "rb") as file:
            mail = email.message_from_binary_file(file, policy=email.policy.default)
        if mail["Subject"] == subject:
            found.append(mail)
    return found


def recipients(subject):
    return sorted(str(mail["To"]) for mail in mails(subject))


# Topics: attributes, tags, repeated creation.
topic = sns.create_topic(Name="orders", Attributes={"DisplayName": "Köln"}, Tags=[{"Key": "team", "Value": "a"}])["TopicArn"]
assert sns.create_topic(Name="orders")["TopicArn"] == topic
refused(
    "InvalidParameter",
    "Invalid parameter: Tags Reason: Topic already exists with different tags",
    sns.create_topic,
    Name="orders",
    Tags=[{"Key": "team", "Value": "b"}],
)
refused("InvalidParameter", "Invalid parameter: Topic Name", sns.create_topic, Name="a b")
attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
assert attributes["DisplayName"] == "Köln" and attributes["SubscriptionsConfirmed"] == "0", attributes
assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == topic
sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Orders of Köln")
refused(
    "InvalidParameter",
    "Invalid parameter: AttributeName",
    sns.set_topic_attributes,
    TopicArn=topic,
    AttributeName="Owner",
    AttributeValue="x",
)
sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "team", "Value": "b"}, {"Key": "stage", "Value": "test"}])
sns.untag_resource(ResourceArn=topic, TagKeys=["team"])
assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "stage", "Value": "test"}]
refused("ResourceNotFound", "Resource does not exist", sns.list_tags_for_resource, ResourceArn=topic + "x")
refused("NotFound", "Topic does not exist", sns.get_topic_attributes, TopicArn=topic + "x")
refused(
    "InvalidParameter",
    "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
    sns.get_topic_attributes,
    TopicArn="orders",
)

# Subscriptions.
subscribe = lambda protocol, endpoint, **more: sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, **more)
everything = subscribe("email", "all@example.com")["SubscriptionArn"]
assert subscribe("email", "all@example.com")["SubscriptionArn"] == everything
failed = subscribe("email", "failed@example.com", Attributes={"FilterPolicy": json.dumps({"status": ["FAILED"]})})["SubscriptionArn"]
big = subscribe("email-json", "big@example.com", ReturnSubscriptionArn=True)["SubscriptionArn"]
sns.set_subscription_attributes(SubscriptionArn=big, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
sns.set_subscription_attributes(
    SubscriptionArn=big, AttributeName="FilterPolicy", AttributeValue=json.dumps({"rows": [{"numeric": [">", 100]}]})
)
shown = sns.get_subscription_attributes(SubscriptionArn=big)["Attributes"]
assert shown["FilterPolicyScope"] == "MessageBody" and shown["PendingConfirmation"] == "false", shown
assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "3"
for message, arguments in {
    "Invalid parameter: Amazon SNS does not support this protocol string: pigeon": ("pigeon", "x"),
    "Invalid parameter: Email address": ("email", "nobody"),
    "Invalid parameter: Protocol: nothing here delivers to sqs; the local SNS delivers to email, email-json, http and https": (
        "sqs",
        "arn:aws:sqs:us-east-1:000000000000:q",
    ),
}.items():
    refused("InvalidParameter", message, subscribe, protocol=arguments[0], endpoint=arguments[1])
# Without `--notify-http`, no request to the inside can be forged.
for protocol, endpoint in [("http", "http://169.254.169.254/latest"), ("https", "https://example.com/"), ("http", "http://127.0.0.1/")]:
    refused(
        "InvalidParameter",
        "Invalid parameter: Endpoint: subscriptions may only name addresses that `downspout up --notify-http ADDRESS` allows, "
        "without user and password",
        subscribe,
        protocol=protocol,
        endpoint=endpoint,
    )
set_failed = lambda name, value: sns.set_subscription_attributes(SubscriptionArn=failed, AttributeName=name, AttributeValue=value)
refused(
    "InvalidParameter",
    "Invalid parameter: Delivery protocol [email] does not support raw message delivery.",
    set_failed,
    name="RawMessageDelivery",
    value="true",
)
refused(
    "InvalidParameter",
    'Invalid parameter: FilterPolicy: "status" must be an object or an array',
    set_failed,
    name="FilterPolicy",
    value='{"status": "FAILED"}',
)
refused("InvalidParameter", "Invalid parameter: Token", sns.confirm_subscription, TopicArn=topic, Token="t")
refused("NotFound", "Subscription does not exist", sns.get_subscription_attributes, SubscriptionArn=everything + "x")

# Publish: filters on attributes and on the message, the name of the sender, the document for programs.
status = lambda word: {"status": {"DataType": "String", "StringValue": word}}
sns.publish(TopicArn=topic, Subject="Übersicht 🟢", Message='{"rows": 7}', MessageAttributes=status("FINISHED"))
assert recipients("Übersicht 🟢") == ["all@example.com"], recipients("Übersicht 🟢")
assert mails("Übersicht 🟢")[0]["From"].addresses[0].display_name == "Orders of Köln"
said = sns.publish(TopicArn=topic, Subject="both", Message='{"rows": 700}', MessageAttributes=status("FAILED"))
assert recipients("both") == ["all@example.com", "big@example.com", "failed@example.com"], recipients("both")
document = next(mail for mail in mails("both") if mail["To"] == "big@example.com").get_content()
document = json.loads(document)
assert (document["Type"], document["MessageId"], document["TopicArn"]) == ("Notification", said["MessageId"], topic)
assert json.loads(document["Message"]) == {"rows": 700} and document["Subject"] == "both", document
assert document["MessageAttributes"] == {"status": {"Type": "String", "Value": "FAILED"}}, document
set_failed("FilterPolicy", "{}")
sns.publish(TopicArn=topic, Subject="all now", Message="x")
assert recipients("all now") == ["all@example.com", "failed@example.com"]
structure = {"default": "short", "email": "for people"}
sns.publish(TopicArn=topic, Subject="structured", Message=json.dumps(structure), MessageStructure="json")
assert {mail.get_content().strip() for mail in mails("structured")} == {"for people"}
for message, arguments in {
    "Invalid parameter: Subject": {"Subject": "two\nlines", "Message": "m"},
    "Invalid parameter: Empty message": {"Message": ""},
    "Invalid parameter: Message too long": {"Message": "x" * (256 * 1024 + 1)},
    "Invalid parameter: Message Structure - JSON message body failed to parse": {"Message": "x", "MessageStructure": "json"},
    "Invalid parameter: Message Structure - No default entry in JSON message body": {
        "Message": "{}",
        "MessageStructure": "json",
    },
}.items():
    refused("InvalidParameter", message, sns.publish, TopicArn=topic, **arguments)
refused("InvalidParameter", "Invalid parameter: Subject", sns.publish, TopicArn=topic, Subject="", Message="m")
refused(
    "ParameterValueInvalid",
    "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, "
    "and String.",
    sns.publish,
    TopicArn=topic,
    Message="m",
    MessageAttributes={"a": {"DataType": "Text", "StringValue": "x"}},
)

# PublishBatch: one entry fails, the others are delivered.
entries = [
    {"Id": "1", "Subject": "batch", "Message": "one"},
    {"Id": "2", "Subject": "bad\nsubject", "Message": "two"},
    {"Id": "3", "Subject": "batch", "Message": "three", "MessageAttributes": status("FAILED")},
]
answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
assert [entry["Id"] for entry in answer["Successful"]] == ["1", "3"], answer
assert answer["Failed"] == [
    {"Id": "2", "Code": "InvalidParameter", "Message": "Invalid parameter: Subject", "SenderFault": True}
], answer
assert recipients("batch") == ["all@example.com"] * 2 + ["failed@example.com"] * 2
batch = lambda entries: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
refused("EmptyBatchRequest", "The batch request doesn't contain any entries.", batch, entries=[])
refused(
    "BatchEntryIdsNotDistinct",
    "Two or more batch entries in the request have the same Id.",
    batch,
    entries=[{"Id": "1", "Message": "m"}] * 2,
)
refused(
    "TooManyEntriesInBatchRequest",
    "The batch request contains more entries than permissible.",
    batch,
    entries=[{"Id": str(n), "Message": "m"} for n in range(11)],
)

# Lists by pages, and the end.
for number in range(101):
    sns.create_topic(Name=f"topic-{number}")
listed = [found["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for found in page["Topics"]]
assert len(listed) == len(set(listed)) == 103, len(listed)
of_topic = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic).build_full_result()["Subscriptions"]
assert {found["SubscriptionArn"] for found in of_topic} == {everything, failed, big}
every = sns.get_paginator("list_subscriptions").paginate().build_full_result()["Subscriptions"]
assert {found["SubscriptionArn"] for found in of_topic} <= {found["SubscriptionArn"] for found in every}
sns.unsubscribe(SubscriptionArn=failed)
assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 2
sns.delete_topic(TopicArn=topic)
sns.delete_topic(TopicArn=topic)
refused("NotFound", "Topic does not exist", sns.publish, TopicArn=topic, Message="m")
print("done")
