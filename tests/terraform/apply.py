"""Applies every example to moto: makes it, plans again, changes it, uses it, and destroys it."""

import datetime
import ipaddress
import json
import os
import re
import shutil
import zipfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import tools
from stand_in import Moto
from tools import HERE, ROOT, WORK, Failed

EXAMPLES = ["smallest", "complete", "existing-vpc", "aws-data-pipeline"]
SECRETS = {"database_password": "0123456789abcdef", "engine_secret_access_key": "0123456789abcdef0123456789abcdef"}


def package():
    """Stand-ins for the programs, because Terraform only uploads them. On the machines of a story, they start the programs themselves."""
    folder = WORK / "package"
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in {"ec2-worker": "ec2-worker", "downspout": "downspout-under-test"}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "$DOWNSPOUT_PROGRAMS/{program}" "$@"\n')
    with zipfile.ZipFile(folder / "orchestrator.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("bootstrap", (2024, 1, 1, 0, 0, 0)), "#!/bin/sh\n")
    return folder


def network_of_the_user(moto):
    """What the example existing-vpc presupposes."""
    ec2 = moto.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = lambda zone, cidr: ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]
    subnets = [subnet("us-east-1a", "10.9.1.0/24"), subnet("us-east-1b", "10.9.2.0/24")]
    group = ec2.create_security_group(GroupName="warehouse", Description="PostgreSQL", VpcId=vpc)["GroupId"]
    database = {"host": "db.example.com", "port": 5432, "name": "warehouse", "username": "loader", "security_group_id": group}
    return {
        "vpc_id": vpc,
        "private_subnet_ids": json.dumps(subnets),
        "https_cidrs": json.dumps(["10.9.0.0/16"]),
        "database": json.dumps(database),
    }


def certificates(name, addresses):
    """The certificate of a new authority, and one that it has issued for a name and addresses, with its private key."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    issuer, subject = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("an authority of the tests", name))
    now = datetime.datetime.now(datetime.timezone.utc)
    alternatives = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
    extensions = [(x509.BasicConstraints(True, None), True), (x509.SubjectAlternativeName(alternatives), False)]
    made = []
    for key, of, extension in zip(keys, (issuer, subject), extensions):
        builder = x509.CertificateBuilder(issuer, of, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(days=1),
                                          now + datetime.timedelta(days=1), [])
        signed = builder.add_extension(*extension).sign(keys[0], hashes.SHA256())
        made.append(signed.public_bytes(serialization.Encoding.PEM).decode())
    form = serialization.PrivateFormat.PKCS8
    return *made, keys[1].private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def secret_of_the_user(moto, text):
    """A secret of the user's own, which a key of KMS of the user's own encrypts: the private key of a certificate."""
    key = moto.client("kms").create_key()["KeyMetadata"]["Arn"]
    return moto.client("secretsmanager").create_secret(Name="engine-tls-key", SecretString=text, KmsKeyId=key)["ARN"], key


class Example:
    """One example on one moto."""

    def __init__(self, name, moto):
        self.name, self.moto = name, moto
        self.folder = tools.copy(name) / "terraform/examples" / name
        for file in (HERE / "moto-overrides").glob("*.tf"):
            module = self.folder.parents[1] / "modules" / file.stem
            to = self.folder if file.stem in ("provider", name) else module
            if to.is_dir():
                shutil.copy(file, to / f"{file.stem}_override.tf")
        variables = SECRETS | {
            "package_folder": str(package()),
            "deletion_protection": "false",
            "wait_for_workers": "0",
            "notification_emails": '["a@example.com"]',
        }
        if name == "existing-vpc":
            variables |= network_of_the_user(moto)
            self.authority, pem, self.tls_key = certificates("engine.pipelines.example.com", [])
            variables |= {"engine_tls": json.dumps({"certificate": pem, "authority": self.authority}), "engine_tls_private_key": self.tls_key}
        if name == "complete":
            # Addresses of this computer that nobody else uses.
            self.network = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250 + 1}"
            self.authority, self.certificate, self.tls_key = certificates("engine.downspout-prod.internal", self.addresses())
            arn, key = secret_of_the_user(moto, self.tls_key)
            tls = {"certificate": self.certificate, "authority": self.authority, "key_secret_arn": arn, "key_kms_key_arn": key}
            variables["engine_tls"] = json.dumps(tls)
        if name == "aws-data-pipeline":
            del variables["engine_secret_access_key"]
        self.env = tools.environment(name) | {"AWS_ENDPOINT_URL": moto.url}
        self.env |= {f"TF_VAR_{key}": value for key, value in variables.items()}

    def addresses(self):
        """The addresses of the story: those of two servers, and that of the database."""
        return [f"{self.network}.{number}" for number in (1, 2, 3)]

    def terraform(self, *arguments, **options):
        limit = options.pop("limit", 600)
        return tools.run(["terraform", *arguments], self.folder, self.env, limit, **options).stdout

    def apply(self):
        # The provider spends most of the time in waiting for an answer to become the usual one.
        self.terraform("apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=60", limit=1200)

    def plan(self):
        """The changes that Terraform would make now, as (change, address)."""
        self.terraform("plan", "-input=false", "-out=plan", "-parallelism=60")
        plan = json.loads(self.terraform("show", "-json", "plan"))
        changes = [(change["change"], change["address"]) for change in plan["resource_changes"]]
        return [(change, address) for change, address in changes if change["actions"] not in (["no-op"], ["read"])]

    def expect_no_changes(self, when):
        if changes := self.plan():
            lines = "\n".join(f"{'/'.join(change['actions'])} {address}: {differing(change)}" for change, address in changes)
            raise Failed(f"the example {self.name} still changes {when}:\n{lines}")

    def state(self):
        return json.loads(self.terraform("show", "-json"))

    def outputs(self):
        return {key: value["value"] for key, value in json.loads(self.terraform("output", "-json")).items()}


def differing(change):
    """The names of the arguments that a change would change."""
    before, after = change["before"] or {}, change["after"] or {}
    return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def resources(module):
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from resources(child)


def statements(policy):
    for statement in json.loads(policy)["Statement"]:
        listed = lambda value: ", ".join(sorted([value] if isinstance(value, str) else value))
        yield f"    {statement['Effect'].lower()} {listed(statement['Action'])} on {listed(statement['Resource'])}"


def snapshot(state):
    """What an example makes: every resource, what each policy says, and what each group lets through."""
    lines = []
    for resource in sorted(resources(state["values"]["root_module"]), key=lambda resource: resource["address"]):
        if resource["mode"] != "managed":
            continue
        lines.append(resource["address"].replace("module.downspout.", ""))
        values = resource["values"]
        if resource["type"] in ("aws_iam_role_policy", "aws_sns_topic_policy", "aws_sqs_queue_policy"):
            lines += statements(values["policy"])
        if "security_group" in resource["type"] and "from_port" in values:
            lines.append(f"    {values['ip_protocol']} {values['from_port']}-{values['to_port']} {values['cidr_ipv4'] or ''}".rstrip())
    return "\n".join(lines) + "\n"


def compare(name, made, write):
    file = HERE / "snapshots" / f"{name}.txt"
    # Terraform and moto draw the ids of keys and the ends of secrets' names by chance.
    made = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", made)
    made = re.sub(r"-[0-9a-f]{26}-\w{6}", "-ID", made)
    made = re.sub(r"(secret:engine-tls-key)-\w{6}", r"\1-ID", made)
    known = file.read_text() if file.exists() else ""
    if made == known:
        return
    if not write:
        (WORK / f"{name}.new.txt").write_text(made)
        raise Failed(f"the example {name} does not make what {file.relative_to(ROOT)} says. It makes {WORK}/{name}.new.txt. Compare them; "
                     "if the new one is right: tests/terraform/check --write")
    file.write_text(made)


def leftovers(moto):
    """What is still there after `destroy`, apart from what moto has from the beginning."""
    s3, iam, sqs = moto.client("s3"), moto.client("iam"), moto.client("sqs")
    yield from (bucket["Name"] for bucket in s3.list_buckets()["Buckets"])
    yield from (role["RoleName"] for role in iam.list_roles()["Roles"] if "/aws-service-role/" not in role["Path"])
    yield from sqs.list_queues().get("QueueUrls", [])
    yield from (group["logGroupName"] for group in moto.client("logs").describe_log_groups()["logGroups"])
    yield from (function["FunctionName"] for function in moto.client("lambda").list_functions()["Functions"])
    yield from (secret["Name"] for secret in moto.client("secretsmanager").list_secrets()["SecretList"])
    yield from (database["DBInstanceIdentifier"] for database in moto.client("rds").describe_db_instances()["DBInstances"])
    yield from (topic["TopicArn"] for topic in moto.client("sns").list_topics()["Topics"])
    yield from (alarm["AlarmName"] for alarm in moto.client("cloudwatch").describe_alarms()["MetricAlarms"])
    for reservation in moto.client("ec2").describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] != "terminated":
                yield instance["InstanceId"]


def check(name, write):
    """Runs the whole story of one example."""
    import story
    import use

    with Moto(name) as moto:
        example = Example(name, moto)
        example.terraform("init", "-input=false")
        example.apply()
        compare(name, snapshot(example.state()), write)
        example.expect_no_changes("when it is applied a second time")
        use.check(example)
        if name == "complete" and not story.missing():
            story.check(example)
        example.env["TF_VAR_notification_emails"] = '["a@example.com", "b@example.com"]'
        if not any("b@example.com" in address for _, address in example.plan()):
            raise Failed(f"the example {name} does not subscribe a second address")
        example.apply()
        example.expect_no_changes("after a change was applied")
        if name == "complete":
            arn = json.loads(example.env["TF_VAR_engine_tls"])["key_secret_arn"]
            moto.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        example.terraform("destroy", "-auto-approve", "-input=false", "-parallelism=60", limit=1200)
        if left := [*example.terraform("state", "list").split(), *leftovers(moto)]:
            raise Failed(f"`terraform destroy` of the example {name} leaves {', '.join(left)}")
