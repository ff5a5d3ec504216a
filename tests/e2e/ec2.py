"""Machines of EC2 for resources of a hosted server. The stand-in for EC2 starts nothing, so this story plays the machines: it runs
their user data in a namespace, and then the worker with the settings that the user data has written."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

program, worker, stand_in, folder = sys.argv[1:5]
LIMIT, TAG = 90, "story"
OWNER = {"DOWNSPOUT_ACCESS_KEY_ID": "AKIAOWNER", "DOWNSPOUT_SECRET_ACCESS_KEY": "a secret of this story"}
started = []

# /etc and /usr/local/bin get layers that vanish with the namespace. Programs that would change the system only write down what they are
# asked. `aws` brings the program $3.
NAMESPACE = r"""
set -euo pipefail
mount -t tmpfs none "$1"
cd "$1"
mkdir etc etc-work bin bin-work stand-ins
mount -t overlay none -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
mount -t overlay none -o "lowerdir=/usr/local/bin,upperdir=$1/bin,workdir=$1/bin-work" /usr/local/bin
for name in systemctl shutdown useradd; do
    printf '#!/bin/sh\necho "%s $*" >>%s/calls\n' $name "$1" >stand-ins/$name
done
printf '#!/bin/sh\necho "aws $*" | sed "s| /[^ ]*$||" >>%s/calls\nfor last; do :; done\ncp "%s" "$last"\n' "$1" "$3" >stand-ins/aws
chmod +x stand-ins/*
export PATH="$1/stand-ins:$PATH"
cat >user-data
bash user-data >&2 || true
cat calls
[ -e /etc/downspout/ec2-worker.env ] || exit 0
echo "---"
stat -c '%a' /etc/downspout/ec2-worker.env
sha256sum /usr/local/bin/ec2-worker | cut -d ' ' -f 1
tail -n 1 /etc/systemd/system/ec2-worker.service.d/resource.conf
cat /etc/downspout/ec2-worker.env
"""


def until(what, condition):
    end = time.monotonic() + LIMIT
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        time.sleep(0.1)


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def refusal(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ClientError as error:
        return error.response["Error"]["Message"]
    return "ok"


def boot(instance, brought=worker):
    """Runs the user data of a machine, and returns the calls that it made, and what it left."""
    data = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")["UserData"]["Value"]
    scratch = os.path.join(folder, f"boot-{instance}")
    os.makedirs(scratch, exist_ok=True)
    unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run([*unshare, "bash", "-c", NAMESPACE, "machine", scratch, "-", brought],
                          input=base64.b64decode(data).decode(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    calls, _, left = done.stdout.partition("---\n")
    return calls.splitlines(), left.splitlines(), done.stderr


def settings_of(lines):
    """The settings as systemd reads them: between double quotes, a backslash keeps the next character."""
    pairs = (re.fullmatch(r'([A-Z_0-9]+)="((?:[^"\\]|\\.)*)"', line).groups() for line in lines)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}


def start_worker(instance):
    """Starts the machine as EC2 would, and returns the process of its worker and its settings."""
    calls, (mode, checksum, service, *lines), _ = boot(instance)
    assert calls[0] == "aws s3 cp --only-show-errors s3://artifacts/ec2-worker/1", calls
    assert [call for call in calls if call.startswith("systemctl")] == [
        "systemctl daemon-reload", "systemctl enable --quiet ec2-worker", "systemctl restart ec2-worker"], calls
    assert not [call for call in calls if call.startswith("shutdown")], calls
    assert (mode, checksum, service) == ("600", sha256, "User=ec2-user"), (mode, checksum, service)
    settings = settings_of(lines)
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "role", "AWS_SECRET_ACCESS_KEY": "of the machine"}
    log = open(os.path.join(folder, f"worker-{instance}.log"), "a")
    process = subprocess.Popen([worker, instance, settings["WORKER_GROUP"], os.path.join(folder, f"scratch-{instance}")],
                               env=environment | settings, stdout=log, stderr=log)
    started.append(process)
    return process, settings


def machines():
    """The machines of the engine that EC2 shows, the oldest first."""
    filters = [{"Name": "tag:downspout:engine", "Values": [TAG]}]
    pages = ec2.describe_instances(Filters=filters)["Reservations"]
    return [instance for page in pages for instance in page["Instances"]]


def living():
    return [it["InstanceId"] for it in machines() if it["State"]["Name"] == "running"]


def start_server():
    log = open(os.path.join(folder, "server.log"), "a")
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                   "AWS_ENDPOINT_URL_EC2": cloud["url"], **OWNER}
    process = subprocess.Popen([program, "server", "--config", "server.toml"], cwd=folder, env=environment, stdout=log, stderr=log)
    started.append(process)
    until("the server listens", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    return process


def client(key, secret):
    return boto3.client("datapipeline", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id=key,
                        aws_secret_access_key=secret, config=Config(retries={"total_max_attempts": 1}))


def activate(unique, **fields):
    """Starts a run of work on a machine. The work goes on until the file `go-UNIQUE` exists.

    The machine has the fields of old definitions, which AWS still takes and which have no effect."""
    begun, go = (os.path.join(folder, f"{name}-{unique}") for name in ["begun", "go"])
    objects = {
        "Default": {"scheduleType": "ondemand", "role": "r", "resourceRole": "r", "retryDelay": "1 second", "maximumRetries": "1"},
        "A $HOME `box`": {"type": "Ec2Resource", "terminateAfter": "1 hour", "runAsUser": "ec2-user", "instanceCount": "1",
            "minInstanceCount": "1", "logUri": "s3://logs/old", **fields},
        "Proxy": {"type": "HttpProxy", "hostname": "proxy.example", "port": "8080"},
        "Work": {"type": "ShellCommandActivity", "command": f"touch '{begun}'; until [ -e '{go}' ]; do sleep 0.1; done"},
    }
    field = lambda key, value: {"key": key, "refValue": value["ref"]} if isinstance(value, dict) else {"key": key, "stringValue": value}
    wire = [{"id": name, "name": name, "fields": [field(key, value) for key, value in fields.items()]}
            for name, fields in objects.items()]
    wire[3]["fields"].append({"key": "runsOn", "refValue": wire[1]["id"]})
    tags = [{"key": "team", "value": "data"}]
    identity = owner.create_pipeline(name="machines", uniqueId=unique, tags=tags)["pipelineId"]
    put = owner.put_pipeline_definition(pipelineId=identity, pipelineObjects=wire)
    assert not put["errored"], put
    owner.activate_pipeline(pipelineId=identity)
    return identity, begun, go


def values(pipeline, sphere, key):
    ids = owner.query_objects(pipelineId=pipeline, sphere=sphere)["ids"]
    objects = owner.describe_objects(pipelineId=pipeline, objectIds=ids)["pipelineObjects"]
    return {one["id"]: field["stringValue"] for one in objects for field in one["fields"] if field["key"] == key}


def state(pipeline):
    described = owner.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"][0]
    return next(field["stringValue"] for field in described["fields"] if field["key"] == "@pipelineState")


# All problems of the settings come at once.
wrong = subprocess.run([program, "server", "--ec2-image", "latest", "--ec2-disk-gib", "1"], capture_output=True, text=True, timeout=60)
assert wrong.returncode != 0, wrong
for named in ["ec2-tag: missing, but needed for Ec2Resource", 'ec2-image: "latest" is not', "ec2-disk-gib:", "ec2-worker-sha256:"]:
    assert named in wrong.stderr, wrong.stderr

moto = subprocess.Popen([sys.executable, stand_in], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
cloud = json.loads(moto.stdout.readline())
ec2 = boto3.client("ec2", region_name="us-east-1", endpoint_url=cloud["url"], aws_access_key_id="test", aws_secret_access_key="test")
with open(worker, "rb") as file:
    sha256 = hashlib.sha256(file.read()).hexdigest()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
zones = ",".join(f"{zone}={subnet}" for zone, subnet in sorted(cloud["subnets"].items())[:2])
with open(os.path.join(folder, "server.toml"), "w") as file:
    file.write(f"""
listen = "127.0.0.1:{port}"
account-id = "123456789012"
sns = false
ec2-tag = "{TAG}"
ec2-worker = "s3://artifacts/ec2-worker/1"
ec2-worker-sha256 = "{sha256}"
ec2-instance-profile = "{cloud["profile"]}"
ec2-image = "ami-default"
ec2-subnets = "{zones}"
ec2-security-groups = "{cloud["group"]}"
ec2-endpoint = "http://127.0.0.1:{port}"
""")
server = start_server()
owner = client(OWNER["DOWNSPOUT_ACCESS_KEY_ID"], OWNER["DOWNSPOUT_SECRET_ACCESS_KEY"])

try:
    # A resource that no machine can fit is refused before anything starts.
    assert code(activate, unique="mars", region="mars-1") == "InvalidRequestException"
    assert "the machines of this server use no proxy" in refusal(activate, "proxied", httpProxy={"ref": "Proxy"})

    # One machine, which survives a crash of the server.
    first, begun, go = activate("first")
    (instance,) = until("a machine starts", living)
    tags = {tag["Key"]: tag["Value"] for tag in machines()[0]["Tags"]}
    assert tags["downspout:pipeline"] == first and tags["downspout:account"] == "123456789012" and tags["team"] == "data", tags
    process, settings = start_worker(instance)
    until("the work has begun", lambda: os.path.exists(begun))
    server.kill()
    server.wait()
    server = start_server()
    assert instance in values(first, "ATTEMPT", "@resourceId").values()
    key = client(settings["DOWNSPOUT_ACCESS_KEY_ID"], settings["DOWNSPOUT_SECRET_ACCESS_KEY"])
    assert code(key.list_pipelines) == "AccessDeniedException"
    assert code(key.report_task_runner_heartbeat, taskrunnerId="me", workerGroup=settings["WORKER_GROUP"]) == "ok"
    open(go, "w").close()
    until("the run is over", lambda: state(first) == "FINISHED")
    assert [it["State"]["Name"] for it in machines()] == ["terminated"]
    process.kill()
    assert code(key.poll_for_task, workerGroup=settings["WORKER_GROUP"]) == "AccessDeniedException"

    # A spot machine that is taken back: the work is done on another one, in another zone.
    second, begun, go = activate("second", spotBidPrice="0.05", useOnDemandOnLastAttempt="true")
    (lost,) = until("a machine starts", living)
    process, _ = start_worker(lost)
    until("the work has begun", lambda: os.path.exists(begun))
    ec2.stop_instances(InstanceIds=[lost])
    process.kill()
    os.remove(begun)
    (instance,) = until("another machine starts", living)
    reasons = values(second, "ATTEMPT", "@failureReason").values()
    assert any("EC2 took the spot machine back" in reason for reason in reasons), reasons
    found = {it["InstanceId"]: it for it in machines()}
    assert found[lost].get("InstanceLifecycle") == "spot" and "InstanceLifecycle" not in found[instance], found
    assert found[lost]["SubnetId"] != found[instance]["SubnetId"]
    process, _ = start_worker(instance)
    until("the work has begun again", lambda: os.path.exists(begun))
    open(go, "w").close()
    until("the run is over", lambda: state(second) == "FINISHED")
    process.kill()

    # The fields of a resource make its machine: those that name a subnet, and those that name only a zone.
    *_, (zone, subnet) = sorted(cloud["subnets"].items())
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="story", Description="of the story", VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName="of-the-story")
    of_fields, _, _ = activate("fields", imageId="ami-story", instanceType="c5.large", keyPair="of-the-story", subnetId=subnet,
                               securityGroupIds=group, associatePublicIpAddress="true", region="us-east-1")
    of_zone, _, _ = activate("zone", availabilityZone=sorted(cloud["subnets"])[1], associatePublicIpAddress="false")
    until("both machines start", lambda: len(living()) == 2)
    found = {tag["Value"]: it for it in machines() for tag in it["Tags"] if tag["Key"] == "downspout:pipeline"}
    one = found[of_fields]
    assert (one["ImageId"], one["InstanceType"], one["KeyName"]) == ("ami-story", "c5.large", "of-the-story"), one
    assert (one["SubnetId"], one["Placement"]["AvailabilityZone"]) == (subnet, zone), one
    groups = lambda machine: [group["GroupId"] for it in machine["NetworkInterfaces"] for group in it["Groups"]]
    assert groups(one) == [group] and one["PublicIpAddress"], one
    other = found[of_zone]
    assert other["Placement"]["AvailabilityZone"] == sorted(cloud["subnets"])[1] and other["ImageId"] == "ami-default", other
    assert groups(other) == [cloud["group"]] and "KeyName" not in other and "PublicIpAddress" not in other, other
    for pipeline in [of_fields, of_zone]:
        owner.delete_pipeline(pipelineId=pipeline)
    until("both machines are ended", lambda: not living())

    # Fields that no machine can fit are refused when the pipeline is activated, by their names.
    for field, value in [("securityGroups", "story"), ("availabilityZone", "us-east-1z"), ("runAsUser", "-x")]:
        try:
            activate(f"wrong-{field}", **{field: value})
            raise AssertionError(f"{field} is taken")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidRequestException" and field in str(error), error

    # A machine that nobody wants is ended. Its user data does not start a program with another checksum.
    third, _, _ = activate("third")
    (instance,) = until("a machine starts", living)
    calls, left, said = boot(instance, brought="/bin/true")
    assert calls[-1] == "shutdown -h now" and not left, (calls, said)
    tags = [{"Key": tag["Key"], "Value": tag["Value"].replace("Attempt=1", "Attempt=9")}
            for it in machines() if it["InstanceId"] == instance for tag in it["Tags"]]
    ec2.run_instances(ImageId="ami-default", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    assert len(living()) == 2
    until("the machine of nobody is ended", lambda: living() == [instance])
    owner.delete_pipeline(pipelineId=third)
    until("the machine of the deleted pipeline is ended", lambda: not living())

    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    with open(os.path.join(folder, "server.log")) as log:
        assert settings["DOWNSPOUT_SECRET_ACCESS_KEY"] not in log.read()
finally:
    for process in [*started, moto]:
        process.kill()
print("done")
