"""The whole story on what the example `complete` has made, with moto as AWS, which enforces IAM.

Two servers from the user data of the engine share one PostgreSQL. They speak TLS with a certificate of a private authority, and all
machines find them under one name. A worker from the user data of its launch template and the function do their work with their roles.
"""

import base64
import contextlib
import json
import os
import shutil
import time

import boto3
from botocore.config import Config

import function
import machine
import privileges
from enforcement import listed
from stand_in import REGION
from tools import PROGRAMS, ROOT, WORK, Failed, until
from warehouse import Warehouse, programs

ROLES = ["orchestrator", "worker", "engine", "machine"]
DAY = "2026-01-01"
# The password by reference, which the example lets workers read.
PARAMETER = "/partner/password"
NONE = {"retries": {"total_max_attempts": 1}}


class Story:
    """What runs, and who may ask AWS and the engine for anything. It all ends with the block."""

    def __init__(self, example, made):
        self.example, self.made, self.moto = example, made, example.moto
        self.servers, self.machines, self.started = {}, {}, []
        self.folder = WORK / f"story-{example.name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.authority = self.folder / "authority.pem"
        self.authority.write_text(example.authority)
        self.name = made["orchestrator"]["function_name"].removesuffix("-orchestrator")
        self.addresses = example.addresses()
        engine = made["endpoint"].split("//")[1].split(":")[0]
        names = [(self.addresses[0], engine), (self.addresses[1], engine), (self.addresses[2], made["database"]["host"])]
        self.hosts = "".join(f"{address} {name}\n" for address, name in names)

    def __enter__(self):
        self.ends = contextlib.ExitStack()
        try:
            self.prepare()
        except BaseException:
            self.ends.close()
            raise
        return self

    def __exit__(self, *_):
        self.ends.close()

    def prepare(self):
        """The database, and what is not part of the deployment: a user who may do everything, and a mailbox."""
        database, password = self.made["database"], self.example.env["TF_VAR_database_password"]
        certificate = (self.example.certificate, self.example.tls_key)
        self.warehouse = self.ends.enter_context(Warehouse(
            self.folder / "warehouse", self.addresses[2], database["name"], database["username"], password, certificate))
        iam, sts, ssm = (self.moto.client(service) for service in ("iam", "sts", "ssm"))
        self.roles = {}
        for role in ROLES:
            arn = iam.get_role(RoleName=f"{self.name}-{role}")["Role"]["Arn"]
            key = sts.assume_role(RoleArn=arn, RoleSessionName="story")["Credentials"]
            self.roles[role] = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                                "AWS_SESSION_TOKEN": key["SessionToken"]}
        iam.create_user(UserName="owner")
        self.ends.callback(iam.delete_user, UserName="owner")
        everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        iam.put_user_policy(UserName="owner", PolicyName="everything", PolicyDocument=json.dumps(everything))
        self.ends.callback(iam.delete_user_policy, UserName="owner", PolicyName="everything")
        key = iam.create_access_key(UserName="owner")["AccessKey"]
        self.ends.callback(iam.delete_access_key, UserName="owner", AccessKeyId=key["AccessKeyId"])
        self.owner = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        ssm.put_parameter(Name=PARAMETER, Type="SecureString", Value=password)
        self.ends.callback(ssm.delete_parameter, Name=PARAMETER)
        self.open_the_mailbox()
        # The story takes the events itself. moto cannot run the function.
        functions = self.moto.client("lambda")
        # moto reckons other signatures of the calls of Lambda than AWS does.
        self.variables = functions.get_function_configuration(FunctionName=f"{self.name}-orchestrator")["Environment"]["Variables"]
        mapping = functions.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        self.ends.callback(functions.update_event_source_mapping, UUID=mapping, Enabled=True)
        self.ends.callback(self.end_instances)
        self.moto.enforce(True)
        self.ends.callback(self.moto.enforce, False)
        self.ends.callback(self.end_machines)

    def open_the_mailbox(self):
        sns, sqs = self.moto.client("sns"), self.moto.client("sqs")
        self.inbox = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        self.ends.callback(sqs.delete_queue, QueueUrl=self.inbox)
        arn = sqs.get_queue_attributes(QueueUrl=self.inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        subscribed = sns.subscribe(TopicArn=self.made["topic_arn"], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
        self.ends.callback(sns.unsubscribe, SubscriptionArn=subscribed["SubscriptionArn"])
        self.mails = []

    def end_machines(self):
        for one in self.started:
            one.cut_power()

    def end_instances(self):
        for instance in self.instances(self.moto.client("ec2")):
            self.moto.client("ec2").terminate_instances(InstanceIds=[instance["InstanceId"]])

    def client(self, service):
        return self.moto.client(service, self.owner)

    def boot(self, name, script, role, **overrides):
        """Starts a machine with this user data and this role."""
        overrides |= {"DOWNSPOUT_PROGRAMS": str(PROGRAMS), "WORKER_SCRATCH_DIR": str(self.folder / f"scratch-{name}")}
        self.started.append(machine.Machine(self.example, name, script, self.roles[role], self.hosts, **overrides))
        return self.started[-1]

    def start(self):
        """Starts the two servers, the worker and the function."""
        script = self.user_data_of_the_engine()
        for address in self.addresses[:2]:
            # All machines of the story are one computer, on which each has its own address.
            listens = {"DOWNSPOUT_LISTEN": f"{address}:4567", "DOWNSPOUT_METRICS_LISTEN": f"{address}:9464"}
            self.servers[address] = self.boot(f"engine-{address}", script, "engine", **listens)
        self.worker = self.boot("worker", self.user_data_of_workers(), "worker")
        self.function = function.Function(self.example, PROGRAMS / "bootstrap-under-test", self.folder / "function",
                                          self.roles["orchestrator"], f"{self.name}-orchestrator", self.variables, self.hosts)
        self.ends.callback(self.function.end)
        for address in self.servers:
            until(f"the server at {address} answers", lambda address=address: self.answers(address), 300)

    def user_data_of_the_engine(self):
        return self.user_data(self.made["engine"]["instance_id"])

    def user_data(self, instance):
        answer = self.client("ec2").describe_instance_attribute(InstanceId=instance, Attribute="userData")
        return base64.b64decode(answer["UserData"]["Value"]).decode()

    def user_data_of_workers(self):
        ec2 = self.client("ec2")
        template = ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
        version = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Latest"])["LaunchTemplateVersions"][0]
        return base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()

    def engine(self, address):
        return boto3.client(
            "datapipeline", region_name=REGION, endpoint_url=f"https://{address}:4567", verify=str(self.authority),
            aws_access_key_id="downspout", aws_secret_access_key=self.example.env["TF_VAR_engine_secret_access_key"], config=Config(**NONE))

    def answers(self, address):
        self.servers[address].must_run()
        try:
            self.service = self.engine(address)
            return self.service.list_pipelines() and True
        except Exception:
            return False

    # What people do.

    def drop(self, day):
        samples = ROOT / "pipeline-definitions/orders/samples"
        for file in samples.glob("*.csv"):
            self.client("s3").put_object(Bucket=self.made["buckets"]["drop"], Key=f"incoming/{day}/{file.name}", Body=file.read_bytes())
        return self.function.receive(self.made["event_queue_url"])

    def subjects(self):
        """The subjects of all mails so far."""
        sqs = self.client("sqs")
        while batch := sqs.receive_message(QueueUrl=self.inbox, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                self.mails.append(json.loads(message["Body"])["Subject"])
                sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
        return self.mails

    def mail(self, words, limit=180):
        until(f"a mail with {words!r}; there are {self.mails}", lambda: any(words in subject for subject in self.subjects()), limit)

    def activate(self, name, place):
        """Starts a pipeline that loads a folder and exports it, with preconditions and a mail."""
        with self.warehouse.session() as session:
            session.execute(f"DROP TABLE IF EXISTS public.{name}; CREATE TABLE public.{name} (id int, name text)")
        wire = [{"id": key, "name": key, "fields": [field(name, one) for name, value in fields.items() for one in listed(value)]}
                for key, fields in self.objects(name, place).items()]
        identity = self.service.create_pipeline(name=name, uniqueId=f"{name}-{time.monotonic_ns()}")["pipelineId"]
        put = self.service.put_pipeline_definition(pipelineId=identity, pipelineObjects=wire)
        if put["errored"]:
            raise Failed(f"the engine refuses the pipeline {name}: {put}")
        self.service.activate_pipeline(pipelineId=identity)
        return identity

    def objects(self, name, place):
        buckets, database = self.made["buckets"], self.made["database"]
        url = f"jdbc:postgresql://{database['host']}:5432/{database['name']}?sslmode=require"
        base = {"type": "JdbcDatabase", "connectionString": url, "jdbcDriverClass": "org.postgresql.Driver",
                "username": database["username"], "*password": "-"}
        on_a_machine = place == "machine"
        place = {"runsOn": {"ref": "Machine"}} if on_a_machine else {"workerGroup": place}
        objects = {
            "Default": {"scheduleType": "ondemand", "role": "r", "resourceRole": "r", "retryDelay": "1 second", "maximumRetries": "1",
                        "failureAndRerunMode": "CASCADE", "pipelineLogUri": f"s3://{buckets['logs']}/{name}"},
            "ByParameter": base | {"myPasswordSecret": f"ssm:{PARAMETER}"},
            "BySecret": base | {"myPasswordSecret": database["secret_arn"]},
            "Csv": {"type": "CSV", "myHeader": "true"},
            "Parts": {"type": "S3DataNode", "directoryPath": f"s3://{buckets['drop']}/parts/", "dataFormat": {"ref": "Csv"}},
            "Table": {"type": "SqlDataNode", "database": {"ref": "ByParameter"}, "schemaName": "public", "table": name},
            "Rows": {"type": "SqlDataNode", "database": {"ref": "BySecret"}, "schemaName": "public", "table": name,
                     "selectQuery": f"SELECT * FROM public.{name} ORDER BY id"},
            "Result": {"type": "S3DataNode", "filePath": f"s3://{buckets['results']}/{name}/rows.csv", "dataFormat": {"ref": "Csv"}},
            "Key": {"type": "S3KeyExists", "s3Key": f"s3://{buckets['drop']}/parts/1.csv"},
            "Prefix": {"type": "S3PrefixNotEmpty", "s3Prefix": f"s3://{buckets['drop']}/parts/"},
            "Load": {"type": "CopyActivity", "input": {"ref": "Parts"}, "output": {"ref": "Table"}, "myLoadMode": "replace",
                     "precondition": [{"ref": "Key"}, {"ref": "Prefix"}]} | place,
            "Export": {"type": "CopyActivity", "input": {"ref": "Rows"}, "output": {"ref": "Result"}, "dependsOn": {"ref": "Load"},
                       "onSuccess": {"ref": "Mail"}} | place,
            "Mail": {"type": "SnsAlarm", "topicArn": self.made["topic_arn"], "subject": f"{name} is loaded", "message": "Done."},
        }
        return objects | ({"Machine": {"type": "Ec2Resource", "terminateAfter": "1 hour"}} if on_a_machine else {})

    def state(self, pipeline):
        described = self.service.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"][0]["fields"]
        return {one["key"]: one.get("stringValue") for one in described}["@pipelineState"]

    def has_ended(self, name, pipeline, limit=180):
        """Waits for the run, and looks at everything that it had to make."""
        until(f"the run of {name} ends", lambda: self.state(pipeline) == "FINISHED", limit)
        rows = self.warehouse.value(f"SELECT count(*) FROM public.{name}")
        s3, buckets = self.client("s3"), self.made["buckets"]
        result = s3.get_object(Bucket=buckets["results"], Key=f"{name}/rows.csv")["Body"].read().decode()
        if rows != 4 or len(result.splitlines()) != 5:
            raise Failed(f"{name} has {rows} rows, and exported {result!r}")
        if not s3.list_objects_v2(Bucket=buckets["logs"], Prefix=f"{name}/").get("Contents"):
            raise Failed(f"{name} has no logs")
        failed = self.service.query_objects(pipelineId=pipeline, sphere="INSTANCE", query={
            "selectors": [{"fieldName": "@status", "operator": {"type": "EQ", "values": ["FAILED"]}}]})["ids"]
        if failed:
            raise Failed(f"{name} ended, but {failed} failed")

    # Machines for Ec2Resource.

    def instances(self, client=None):
        filters = [{"Name": "tag:downspout:engine", "Values": [self.name]}, {"Name": "instance-state-name", "Values": ["running"]}]
        found = (client or self.client("ec2")).describe_instances(Filters=filters)
        return [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]

    def boot_instance(self, instance):
        """Does what EC2 would do with a machine that the engine has started."""
        identity = instance["InstanceId"]
        profile = instance["IamInstanceProfile"]["Arn"].rpartition("/")[2]
        role = profile.removeprefix(f"{self.name}-")
        self.machines[identity] = self.boot(identity, self.user_data(identity), role)
        return self.machines[identity]

    def next_instance(self, limit=180):
        fresh = lambda: [one for one in self.instances() if one["InstanceId"] not in self.machines]
        return until("the engine starts a machine", fresh, limit)[0]

    def waiting_sessions(self):
        return self.warehouse.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


def field(key, value):
    return {"key": key, "refValue": value["ref"]} if isinstance(value, dict) else {"key": key, "stringValue": value}


def tell(story):
    """The story itself."""
    s3, buckets = story.client("s3"), story.made["buckets"]
    for number in (1, 2):
        s3.put_object(Bucket=buckets["drop"], Key=f"parts/{number}.csv", Body=f"id,name\n{number},a\n{number + 10},b\n".encode())
    story.function.receive(story.made["event_queue_url"])

    # Three files, one run, one mail.
    story.drop(DAY)
    story.mail(f"orders {DAY}")
    orders = [subject for subject in story.subjects() if "orders" in subject]
    if len(orders) != 1 or "FAILED" in orders[0]:
        raise Failed(f"three files were dropped, and the mails are {orders}")
    if not story.warehouse.value("SELECT count(*) FROM staging.orders"):
        raise Failed("no orders were loaded")

    # In the middle of a load, a server is killed and the machine is taken away. Another one does the work.
    with story.warehouse.session() as lock:
        lock.autocommit = False
        pipeline = story.activate("on_a_machine", "machine")
        lock.execute("LOCK TABLE public.on_a_machine IN ACCESS EXCLUSIVE MODE")
        lost = story.next_instance()
        story.boot_instance(lost)
        until("the machine loads", lambda: story.machines[lost["InstanceId"]].must_run() or story.waiting_sessions())
        first, second = story.servers
        story.servers[first].cut_power()
        story.service = story.engine(second)
        story.client("ec2").terminate_instances(InstanceIds=[lost["InstanceId"]])
        story.machines[lost["InstanceId"]].cut_power()
        other = story.next_instance()
        story.boot_instance(other)
        until("the other machine loads", lambda: story.machines[other["InstanceId"]].must_run() or story.waiting_sessions() > 1)
    story.has_ended("on_a_machine", pipeline)
    until("the machine is ended after its work", lambda: not story.instances())

    # The worker finds the server that is left. So does the function, which tells of a broken definition.
    story.has_ended("on_the_worker", story.activate("on_the_worker", "warehouse"))
    s3.put_object(Bucket=buckets["definitions"], Key="broken.json", Body=b"{")
    story.function.invoke({"sweep": True})
    story.mail("broken")
    s3.delete_object(Bucket=buckets["definitions"], Key="broken.json")
    once = [words for words in ("orders", "on_a_machine", "on_the_worker", "broken")
            if sum(words in subject for subject in story.subjects()) != 1]
    if once:
        raise Failed(f"not one mail for each of {once}: {story.mails}")


def missing():
    """What the story lacks on this computer, or None."""
    if not machine.can_start():
        return "only root may make namespaces with mounts"
    if not all((PROGRAMS / name).exists() for name in ("downspout-under-test", "ec2-worker", "bootstrap-under-test")):
        return f"`cargo test --workspace --no-run` has not built the programs in {PROGRAMS}"
    return None if programs() else "PostgreSQL is not installed"


def check(example):
    with Story(example, example.outputs()["downspout"]) as story:
        story.start()
        tell(story)
        privileges.check(story, bool(os.environ.get(privileges.ALL)))
