"""Uses what an example has made, as a user would."""

import base64
import datetime
import hashlib
import json
from urllib.parse import unquote_plus

import machine
import tools
from stand_in import REGION
from tools import ROOT, Failed


def expect(condition, problem):
    if not condition:
        raise Failed(problem)


def check(example):
    made = example.outputs()["downspout"]
    definitions(example, made)
    drop(example, made)
    function(example, made)
    worker(example, made)
    engine(example, made)


def definitions(example, made):
    s3, bucket = example.moto.client("s3"), made["buckets"]["definitions"]
    keys = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    folder = ROOT / "pipeline-definitions"
    wanted = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and "samples" not in file.parts}
    expect(keys == wanted | {"values.json"}, f"{example.name}: the definitions bucket has {sorted(keys)}")
    values = json.loads(s3.get_object(Bucket=bucket, Key="values.json")["Body"].read())
    parameters = json.loads((folder / "orders.json").read_text())["parameters"]
    filled_by_the_drop = {"myDay"}
    lacking = {parameter["id"] for parameter in parameters} - values.keys() - filled_by_the_drop
    expect(not lacking, f"{example.name}: values.json has no value for {sorted(lacking)}")
    expect(all(isinstance(value, str) and value for value in values.values()), f"{example.name}: values.json has an empty value")
    password = example.env["TF_VAR_database_password"]
    for key in keys:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        expect(password not in text, f"{example.name}: {key} in the definitions bucket has the password of the database")
    secret = example.moto.client("secretsmanager").get_secret_value(SecretId=values["myDatabaseCredentials"])["SecretString"]
    expect(json.loads(secret)["password"] == password, f"{example.name}: the secret that values.json names lacks the password")


def drop(example, made):
    """A dropped file's event arrives by the queue, in the form that the orchestrator reads."""
    bucket, queue = made["buckets"]["drop"], made["event_queue_url"]
    if not queue:
        # moto does not answer whether a bucket sends its events to EventBridge.
        return
    # moto hands a message to the function at once, and cannot run it. Without the mapping, the message stays.
    client = example.moto.client("lambda")
    mapping = client.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    received(example, queue)
    example.moto.client("s3").put_object(Bucket=bucket, Key="incoming/2026-01-01/orders.csv", Body=b"id\n1\n")
    messages = received(example, queue)
    client.update_event_source_mapping(UUID=mapping, Enabled=True)
    expect(len(messages) == 1, f"{example.name}: one dropped file sent {len(messages)} messages")
    record = json.loads(messages[0]["Body"])["Records"][0]
    expect(record["eventSource"] == "aws:s3" and unquote_plus(record["s3"]["object"]["key"]) == "incoming/2026-01-01/orders.csv",
           f"{example.name}: a dropped file sent {record}")


def received(example, queue):
    """All messages of a queue, which is then empty."""
    sqs, messages = example.moto.client("sqs"), []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        messages += batch
        for message in batch:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return messages


def function(example, made):
    client, name = example.moto.client("lambda"), made["orchestrator"]["function_name"]
    configuration = client.get_function_configuration(FunctionName=name)
    variables = configuration["Environment"]["Variables"]
    expect(variables["DROP_BUCKET"] == made["buckets"]["drop"], f"{example.name}: the function watches {variables['DROP_BUCKET']}")
    expect(variables["NOTIFY_TOPIC_ARN"] == made["topic_arn"], f"{example.name}: the function mails to {variables['NOTIFY_TOPIC_ARN']}")
    endpoint = variables.get("AWS_ENDPOINT_URL_DATA_PIPELINE")
    expect(endpoint == made["endpoint"], f"{example.name}: the function calls {endpoint}")
    expect(int(variables["LAMBDA_TIMEOUT_SECS"]) == configuration["Timeout"], f"{example.name}: the function does not know its time limit")
    if tools.FUNCTION.exists():
        # Lambda itself sets the region.
        tools.run([tools.FUNCTION, "--check"], ROOT, variables | {"AWS_REGION": REGION}, 20)


def worker(example, made):
    """The machines get the program that was uploaded, and its checksum is right."""
    ec2, s3 = example.moto.client("ec2"), example.moto.client("s3")
    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    expect(len(templates) == 1, f"{example.name}: {len(templates)} launch templates")
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=templates[0]["LaunchTemplateId"], Versions=["$Latest"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    expect(data["MetadataOptions"]["HttpTokens"] == "required", f"{example.name}: workers take requests without a token")
    script = base64.b64decode(data["UserData"]).decode()
    artifacts = made["buckets"]["artifacts"]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=artifacts)["Contents"] if item["Key"].startswith("ec2-worker/")]
    expect(len(keys) == 1 and f"s3://{artifacts}/{keys[0]}" in script, f"{example.name}: the workers do not fetch {keys}")
    checksum = hashlib.sha256(s3.get_object(Bucket=artifacts, Key=keys[0])["Body"].read()).hexdigest()
    expect(checksum in script, f"{example.name}: the workers expect another checksum than {checksum}")
    needed = {"WORKER_GROUP", "WORKER_CONCURRENCY", "AWS_REGION"}
    if made["engine"]:
        needed |= {"DOWNSPOUT_ACCESS_KEY_ID", "DOWNSPOUT_SECRET_ACCESS_KEY"}
    if left := started(example, script, "ec2-worker", checksum, needed):
        secret = settings(left, "ec2-worker").get("DOWNSPOUT_SECRET_ACCESS_KEY")
        full = example.env.get("TF_VAR_engine_secret_access_key")
        expect(not full or secret != full, f"{example.name}: the workers have the engine's key, which may do everything")


def engine(example, made):
    if not made["engine"]:
        return
    ec2, identity = example.moto.client("ec2"), made["engine"]["instance_id"]
    data = ec2.describe_instance_attribute(InstanceId=identity, Attribute="userData")["UserData"]["Value"]
    checksum = hashlib.sha256((ROOT / example.env["TF_VAR_package_folder"] / "downspout").read_bytes()).hexdigest()
    needed = {"DOWNSPOUT_STORE", "DOWNSPOUT_LISTEN", "DOWNSPOUT_KEYS", "ENGINE_HOST_NAME"}
    if example.name == "complete":
        needed |= {f"DOWNSPOUT_EC2_{name}" for name in ["TAG", "WORKER", "WORKER_SHA256", "INSTANCE_PROFILE", "IMAGE", "SUBNETS", "ENDPOINT", "AUTHORITY"]}
    has_tls = made["endpoint"].startswith("https:")
    if has_tls:
        needed |= {"DOWNSPOUT_TLS_CERTIFICATE", "DOWNSPOUT_TLS_KEY"}
    left = started(example, base64.b64decode(data).decode(), "downspout", checksum, needed)
    if not left:
        return
    for name in ["keys.json"] + ["certificate.pem", "key.pem"] * has_tls:
        file = left[name]
        expect((file["mode"], file["group"]) == ("640", "downspout"), f"{example.name}: {name} is {file['mode']} {file['group']}")
    if has_tls:
        expect(left["key.pem"]["text"].strip() == example.tls_key.strip(), f"{example.name}: another key of TLS")
    keys = {key["accessKeyId"]: key for key in json.loads(left["keys.json"]["text"])["keys"]}
    expect("workerGroups" not in keys["downspout"] and keys["downspout-worker"]["workerGroups"], f"{example.name}: the keys are {keys}")
    measured(example)


def measured(example):
    """The waiting attempts reach CloudWatch if workers scale by them."""
    client = example.moto.client("cloudwatch")
    metrics = client.list_metrics(Namespace="Downspout", MetricName="WaitingAttempts")["Metrics"]
    alarms = client.describe_alarms(AlarmNamePrefix="downspout-prod-worker-")["MetricAlarms"]
    if example.name != "complete":
        expect(not metrics, f"{example.name}: nobody asked for {metrics}")
        return
    expect(len(metrics) == 1 and len(alarms) == 2, f"{example.name}: the metrics are {metrics}, and the alarms {alarms}")
    by_name = lambda dimensions: {dimension["Name"]: dimension["Value"] for dimension in dimensions}
    for alarm in alarms:
        expect(by_name(alarm["Dimensions"]) == by_name(metrics[0]["Dimensions"]), f"{example.name}: {alarm['AlarmName']} looks at another metric than is sent")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1)
    points = client.get_metric_statistics(
        Namespace="Downspout", MetricName="WaitingAttempts", Dimensions=metrics[0]["Dimensions"], Period=3600, Statistics=["Sum"],
        StartTime=until - datetime.timedelta(hours=1), EndTime=until)["Datapoints"]
    expect([point["Sum"] for point in points] == [7], f"{example.name}: CloudWatch counts {points}")


def settings(left, name):
    """The settings of a program, of the files that its machine has."""
    return dict(line.split("=", 1) for line in left[f"{name}.env"]["text"].splitlines())


def started(example, script, name, checksum, needed):
    """A machine that starts with this user data has the program, its settings and its service. Returns its files, if it can start."""
    at = f"{example.name}: a machine of {name}"
    for variable in "database_password", "engine_secret_access_key", "engine_tls_private_key":
        secret = example.env.get(f"TF_VAR_{variable}")
        expect(not secret or secret not in script, f"{at} has a secret in its user data")
    expect("PRIVATE KEY" not in script, f"{at} has a private key in its user data")
    if not machine.can_start():
        return None
    installed, calls, left = machine.start(example, script)
    mode = left[f"{name}.env"]["mode"]
    expect(mode == "600", f"{at}: the file with the settings is {mode}")
    expect(installed == checksum, f"{at} has another program than was uploaded")
    timer = "daemon-reload;enable --quiet --now downspout-metrics.timer;" if "downspout-metrics.timer" in script else ""
    expect(calls == f"daemon-reload;enable --quiet {name};restart {name};{timer}", f"{at} called systemctl {calls}")
    lacking = needed - settings(left, name).keys()
    expect(not lacking, f"{at} lacks the settings {sorted(lacking)}")
    return left
