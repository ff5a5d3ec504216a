"""Least privilege: no call of the story was refused, and without any one statement of a role, some call is refused or the story fails.

The first check is of every statement, by the decisions that moto has written down. The second one takes statements away and tells a part
of the story again. It has a few statements, or all with the environment variable ALL.
"""

import json
import time

import enforcement
from tools import Failed, until

# With this variable, a part of the story is told again without each statement.
ALL = "DOWNSPOUT_SOAK_STATEMENTS"
# Without these, the story is told again each time.
FEW = [("orchestrator", "WriteTheLedger"), ("worker", "ReadPasswords"), ("engine", "GiveThemTheirRole")]
# Statements that no call of our programs and no service that the story plays needs, with the reason.
UNPROVED = {
    ("orchestrator", "PublishNotices"): "the topic's policy names the role, too, and either of them is enough within one account",
    ("engine", "PublishNotices"): "the topic's policy names the role, too, and either of them is enough within one account",
    ("orchestrator", "UseTheNetwork"): "Lambda itself makes the network interfaces of a function in a network. moto does not run functions",
    ("orchestrator", "SendDeadLetters"): "Lambda itself sends failed events of EventBridge and of the sweep to the dead letters",
}
# How long a part may take that cannot come to its end.
LIMIT = 20


class Policies:
    """The statements of the story's roles, as moto has them."""

    def __init__(self, story):
        self.iam, self.story = story.client("iam"), story
        self.documents = {}
        for role in story.roles:
            for policy in self.iam.list_role_policies(RoleName=self.name(role))["PolicyNames"]:
                self.documents[role, policy] = self.iam.get_role_policy(RoleName=self.name(role), PolicyName=policy)["PolicyDocument"]

    def name(self, role):
        return f"{self.story.name}-{role}"

    def statements(self):
        """Each statement, as (role, policy, statement)."""
        for (role, policy), document in self.documents.items():
            for statement in enforcement.statements_of(document):
                yield role, policy, statement

    def without(self, role, statement):
        return [one for other, _, one in self.statements() if other == role and one is not statement]

    def write(self, role, policy, left_out=None):
        document = self.documents[role, policy]
        kept = [one for one in enforcement.statements_of(document) if one is not left_out]
        # A policy has a statement at least.
        kept = kept or [{"Effect": "Allow", "Action": "none:Nothing", "Resource": "*"}]
        self.iam.put_role_policy(RoleName=self.name(role), PolicyName=policy, PolicyDocument=json.dumps(document | {"Statement": kept}))


def decisions(story):
    for line in story.moto.decisions.read_text().splitlines():
        decision = json.loads(line)
        yield decision | {"role": decision["role"].removeprefix(f"{story.name}-")}


def check(story, has_time):
    made = list(decisions(story))
    if refused := [f"{one['role']}: {one['action']} on {one['resource']}" for one in made if not one["permitted"]]:
        raise Failed("calls of the story were refused:\n" + "\n".join(sorted(set(refused))))
    policies = Policies(story)
    unused = [(role, statement["Sid"]) for role, _, statement in policies.statements() if not needed(policies, role, statement, made)]
    if unproved := sorted(set(unused) - UNPROVED.keys()):
        raise Failed(f"the story would be the same without these statements: {unproved}")
    if proved := sorted(UNPROVED.keys() - set(unused)):
        raise Failed(f"the story needs statements of the list UNPROVED: {proved}")
    wanted = [one for one in policies.statements() if (one[0], one[2]["Sid"]) not in UNPROVED]
    if not has_time:
        wanted = [one for one in wanted if (one[0], one[2]["Sid"]) in FEW]
    for role, policy, statement in wanted:
        mutate(story, policies, role, policy, statement)
    print(f"{len(made)} decisions of IAM; {len(set(unused))} statements are not proved; without each of {len(wanted)}, a part of the story failed",
          flush=True)


def needed(policies, role, statement, made):
    """Whether a call of the role would be refused without the statement. Policies that AWS keeps do not count."""
    principal = f"arn:aws:iam::123456789012:role/{policies.name(role)}"
    left = policies.without(role, statement)
    made = [one for one in made if one["role"] == role and not one["by_the_resource"]]
    return any(not enforcement.permits(left, principal, one["action"], one["resource"], one["context"]) for one in made)


def mutate(story, policies, role, policy, statement):
    """Takes a statement away, tells the part of the story that needs it, and expects that it fails and that a call was refused."""
    before = sum(1 for _ in decisions(story))
    policies.write(role, policy, statement)
    # The policies that AWS keeps allow more than ours, such as every parameter.
    name = policies.name(role)
    kept = [one["PolicyArn"] for one in policies.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]]
    for arn in kept:
        policies.iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    try:
        PARTS[role](story, statement["Sid"])
    except Exception as failure:
        why = failure
    else:
        raise Failed(f"without the statement {statement['Sid']} of the role {role}, the story goes well")
    finally:
        policies.write(role, policy)
        for arn in kept:
            policies.iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    refused = [one for one in list(decisions(story))[before:] if not one["permitted"] and one["role"] == role]
    if not refused:
        raise Failed(f"without the statement {statement['Sid']} of the role {role}, a part of the story failed for another reason: {why}")


# The parts of the story.


# A definition without a cap on the runs of a day.
NOTE = {
    "objects": [
        {"id": "Default", "scheduleType": "ONDEMAND", "role": "r", "resourceRole": "r", "workerGroup": "#{myWorkerGroup}",
         "myDropFile": "notes/{day}/note.txt", "onSuccess": {"ref": "Mail"}},
        {"id": "Read", "type": "ShellCommandActivity", "command": "true"},
        {"id": "Mail", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "subject": "note of #{myDay}", "message": "Read."},
    ],
    "parameters": [{"id": "myDay", "type": "String"}, {"id": "myWorkerGroup", "type": "String"}, {"id": "myNotifyTopicArn", "type": "String"}],
}


def of_the_orchestrator(story, _):
    day = f"2026-02-{int(time.monotonic()) % 28 + 1:02}"
    s3, buckets = story.client("s3"), story.made["buckets"]
    s3.put_object(Bucket=buckets["definitions"], Key="note.json", Body=json.dumps(NOTE).encode())
    s3.put_object(Bucket=buckets["drop"], Key=f"notes/{day}/note.txt", Body=b"a note")
    story.function.receive(story.made["event_queue_url"])
    story.mail(f"note of {day}", LIMIT)


def run(story, place):
    """A whole run on the worker or on a machine, which is deleted if it does not end."""
    pipeline = story.activate("again", place)
    try:
        if place == "machine":
            instance = story.next_instance(LIMIT)
            story.boot_instance(instance)
        story.has_ended("again", pipeline, LIMIT)
        story.mail("again", LIMIT)
        if place == "machine":
            until("the machine is ended", lambda: not story.instances(), LIMIT)
    finally:
        story.mails.clear()
        story.service.delete_pipeline(pipelineId=pipeline)
        for instance in story.instances():
            # What the engine may not do, people do.
            story.client("ec2").terminate_instances(InstanceIds=[instance["InstanceId"]])
            if found := story.machines.get(instance["InstanceId"]):
                found.cut_power()


def of_the_worker(story, statement):
    if statement in ("FetchTheProgram", "ReadTheSettings"):
        boots(story, "worker", story.user_data_of_workers())
    else:
        run(story, "warehouse")


def of_the_engine(story, statement):
    if statement in ("FetchTheProgram", "ReadTheSettings", "UseTheKey", "DecryptTheKeyOfTheCertificate", "SendMetrics"):
        boots(story, "engine", story.user_data_of_the_engine())
    else:
        run(story, "warehouse" if statement in ("CheckKeys", "CheckPrefixes") else "machine")


def of_a_machine(story, _):
    run(story, "machine")


def boots(story, role, script):
    """Starts one more machine, whose user data must come to its end."""
    started = story.boot(f"{role}-again", script, role, DOWNSPOUT_LISTEN="127.0.0.1:0", DOWNSPOUT_METRICS_LISTEN="127.0.0.1:0")
    try:
        until("the program starts", lambda: started.must_run() or started.has_started(), 3 * LIMIT)
    finally:
        started.cut_power()


PARTS = {"orchestrator": of_the_orchestrator, "worker": of_the_worker, "engine": of_the_engine, "machine": of_a_machine}
