"""The hosted server by boto3: accounts, keys that change, keys of machines, certificates that change, limits, numbers."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import boto3
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError
from prometheus_client.openmetrics.parser import text_string_to_metric_families

program, folder = sys.argv[1:3]
LIMIT = 30
OBJECTS = [
    {"id": "Default", "name": "Default", "fields": [
        {"key": "scheduleType", "stringValue": "ondemand"},
        {"key": "role", "stringValue": "r"}, {"key": "resourceRole", "stringValue": "r"}]},
    {"id": "A", "name": "A", "fields": [
        {"key": "type", "stringValue": "ShellCommandActivity"}, {"key": "command", "stringValue": "true"},
        {"key": "workerGroup", "stringValue": "loaders"}]},
    {"id": "B", "name": "B", "fields": [
        {"key": "type", "stringValue": "ShellCommandActivity"}, {"key": "command", "stringValue": "true"},
        {"key": "workerGroup", "stringValue": "others"}]},
]


def until(what, condition):
    end = time.monotonic() + LIMIT
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        time.sleep(0.05)


def run(*arguments, **options):
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, **options)


def add_key(*arguments):
    made = run("keys", "add", "--file", "keys.json", *arguments)
    assert made.returncode == 0, made.stderr
    lines = [line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines()]
    return dict(lines)


def certificate(authority):
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(os.path.join(folder, "key.pem"))
    with open(os.path.join(folder, "new.pem"), "wb") as file:
        for blob in issued.cert_chain_pems:
            file.write(blob.bytes())
    # A rename, as certificate tools replace files.
    os.replace(os.path.join(folder, "new.pem"), os.path.join(folder, "certificate.pem"))
    authority.cert_pem.write_to_path(os.path.join(folder, "authority.pem"))


def client(key, ca="authority.pem"):
    return boto3.client(
        "datapipeline", region_name="us-east-1", endpoint_url=endpoint, verify=os.path.join(folder, ca),
        aws_access_key_id=key["AWS_ACCESS_KEY_ID"], aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}))


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def notified(socket_):
    return socket_.recv(4096).decode()


# All problems of the settings come at once, and none of them shows a password.
with open(os.path.join(folder, "server.toml"), "w") as file:
    file.write('lisen = "1"\n')
wrong = run("server", "--config", "server.toml")
assert wrong.returncode != 0 and 'there is no setting "lisen"' in wrong.stderr, wrong.stderr
wrong = run("server", "--store", "mysql://me:hidden@host/p", "--account-id", "5", "--access-log", "yes")
assert all(name in wrong.stderr for name in ["store:", "account-id:", "access-log:"]), wrong.stderr
assert "hidden" not in wrong.stderr, wrong.stderr

wrong = run("server", env={"PATH": os.environ["PATH"]})
assert wrong.returncode != 0 and "downspout keys add" in wrong.stderr, wrong.stderr
wrong = run("server", env={"PATH": os.environ["PATH"], "DOWNSPOUT_ACCESS_KEY_ID": "A"})
assert wrong.returncode != 0 and "DOWNSPOUT_SECRET_ACCESS_KEY is not set" in wrong.stderr, wrong.stderr

ours, theirs = add_key("--comment", "ours"), add_key("--account", "123456789012")
machine = add_key("--worker-group", "loaders")
old, new = trustme.CA(), trustme.CA()
certificate(old)
shutil.copy(os.path.join(folder, "authority.pem"), os.path.join(folder, "old.pem"))
with open(os.path.join(folder, "server.toml"), "w") as file:
    file.write("""
listen = "127.0.0.1:0"
metrics-listen = "127.0.0.1:0"
keys = "keys.json"
store = "sqlite:pipelines.db"
tls-certificate = "certificate.pem"
tls-key = "key.pem"
calls-per-second = 5
keep-runs = "30 days"
region = "us-east-1"
host-name = ["pipelines.example"]
sns = false
""")
systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
systemd.settimeout(LIMIT)
systemd.bind(os.path.join(folder, "systemd"))
log = open(os.path.join(folder, "server.log"), "w")
server = subprocess.Popen(
    [program, "server", "--config", "server.toml", "--calls-per-second", "0"], cwd=folder, stdout=subprocess.PIPE,
    stderr=log, text=True,
    env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": os.path.join(folder, "systemd"), "WATCHDOG_USEC": "200000",
         "AWS_EC2_METADATA_DISABLED": "true"})
try:
    endpoint = server.stdout.readline().removeprefix("listening on ").strip()
    metrics = server.stdout.readline().removeprefix("metrics on ").strip()
    assert endpoint.startswith("https://"), endpoint
    assert "READY=1" in notified(systemd), "systemd is told of the start"
    # Nobody reads further messages, which must not stop the server.
    until("the watchdog is fed", lambda: "WATCHDOG=1" in notified(systemd))

    # Each account has pipelines of its own.
    mine, other = client(ours), client(theirs)
    made = mine.create_pipeline(name="p", uniqueId="u")["pipelineId"]
    foreign = other.create_pipeline(name="p", uniqueId="u")["pipelineId"]
    assert made != foreign
    assert [found["id"] for found in mine.list_pipelines()["pipelineIdList"]] == [made]
    for call in ["get_pipeline_definition", "delete_pipeline", "activate_pipeline", "deactivate_pipeline"]:
        assert code(getattr(other, call), pipelineId=made) == "PipelineNotFoundException", call
    fields = other.describe_pipelines(pipelineIds=[foreign])["pipelineDescriptionList"][0]["fields"]
    assert {"key": "@accountId", "stringValue": "123456789012"} in fields, fields

    # The key of a machine does the work of its group, and nothing else.
    mine.put_pipeline_definition(pipelineId=made, pipelineObjects=OBJECTS)
    mine.activate_pipeline(pipelineId=made)
    limited = client(machine)
    for call, arguments in [
        ("list_pipelines", {}), ("describe_pipelines", {"pipelineIds": [made]}), ("delete_pipeline", {"pipelineId": made}),
        ("create_pipeline", {"name": "x", "uniqueId": "x"}), ("poll_for_task", {"workerGroup": "others"}),
        ("query_objects", {"pipelineId": made, "sphere": "INSTANCE"}),
    ]:
        assert code(getattr(limited, call), **arguments) == "AccessDeniedException", call
    foreign_task = mine.poll_for_task(workerGroup="others")["taskObject"]["taskId"]
    for task in [foreign_task, "no-such-task"]:
        denied = code(limited.set_task_status, taskId=task, taskStatus="FINISHED")
        assert denied == "AccessDeniedException", denied
        assert code(limited.report_task_progress, taskId=task) == "AccessDeniedException"
    assert code(client(theirs).set_task_status, taskId=foreign_task, taskStatus="FINISHED") != "ok"

    def numbers():
        with urllib.request.urlopen(metrics, timeout=LIMIT) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                    for family in families for sample in family.samples}

    group = (("account", "000000000000"), ("worker_group", "loaders"))
    found = numbers()
    assert found[("downspout_waiting_attempts", group)] == 1, found
    assert found[("downspout_oldest_waiting_attempt_seconds", group)] >= 0
    task = limited.poll_for_task(workerGroup="loaders")["taskObject"]["taskId"]
    assert limited.report_task_progress(taskId=task)["canceled"] is False
    limited.set_task_status(taskId=task, taskStatus="FINISHED")
    assert limited.report_task_runner_heartbeat(taskrunnerId="m", workerGroup="loaders")["terminate"] is False
    mine.set_task_status(taskId=foreign_task, taskStatus="FINISHED")
    found = numbers()
    assert ("downspout_waiting_attempts", group) not in found
    assert found[("downspout_attempts_total", (("status", "FINISHED"),))] == 2, found
    assert found[("downspout_runs_total", (("outcome", "FINISHED"),))] == 1, found
    refused = (("operation", "ListPipelines"), ("result", "AccessDeniedException"))
    assert found[("downspout_requests_total", refused)] == 1, found
    assert found[("downspout_saves_total", (("result", "ok"),))] > 3, found
    assert found[("downspout_save_seconds_count", ())] > 3, found

    # A key that is added works, a key that is revoked does not, and a broken file changes nothing.
    with open(os.path.join(folder, "keys.json")) as file:
        good = file.read()
    with open(os.path.join(folder, "keys.json"), "w") as file:
        file.write(good[:-20])
    said = lambda text: text in open(os.path.join(folder, "server.log")).read()
    until("the broken file is told", lambda: said("the old access keys stay in use"))
    assert code(mine.list_pipelines) == "ok"
    with open(os.path.join(folder, "keys.json"), "w") as file:
        file.write(good)
    late = add_key("--account", "999999999999")
    until("the new account works", lambda: code(client(late).list_pipelines) == "ok")
    assert client(late).list_pipelines()["pipelineIdList"] == []
    revoked = run("keys", "revoke", theirs["AWS_ACCESS_KEY_ID"], "--file", "keys.json")
    assert revoked.returncode == 0, revoked.stderr
    until("the key is revoked", lambda: code(other.list_pipelines) == "UnrecognizedClientException")
    listed = run("keys", "list", "--file", "keys.json").stdout
    assert "revoked" in listed and "work of loaders" in listed and "ours" in listed, listed
    for key in [ours, theirs, machine, late]:
        assert key["AWS_ACCESS_KEY_ID"] in listed and key["AWS_SECRET_ACCESS_KEY"] not in listed

    # A replaced certificate is used by new connections.
    certificate(new)
    until("the new certificate is used", lambda: said("the certificate was read again"))
    assert code(client(ours).list_pipelines) == "ok"
    try:
        client(ours, "old.pem").list_pipelines()
        raise AssertionError("the old authority must not be believed any more")
    except SSLError:
        pass

    # The AWS CLI, health checks, and hosts.
    cli = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "aws"), "datapipeline", "list-pipelines", "--endpoint-url", endpoint,
         "--ca-bundle", "authority.pem", "--region", "us-east-1", "--output", "json"],
        cwd=folder, capture_output=True, text=True, env={**os.environ, **ours})
    assert json.loads(cli.stdout)["pipelineIdList"][0]["id"] == made, cli.stderr
    context = ssl.create_default_context(cafile=os.path.join(folder, "authority.pem"))

    def get(path, host="localhost"):
        request = urllib.request.Request(endpoint + path, headers={"Host": host})
        try:
            return urllib.request.urlopen(request, timeout=LIMIT, context=context).read()
        except urllib.error.HTTPError as error:
            return error.code

    assert (get("/healthz"), get("/readyz")) == (b"ok\n", b"ready\n")
    assert get("/healthz", "pipelines.example") == b"ok\n" and get("/healthz", "evil.example") == 403
    assert get("/metrics") == 400, "the numbers have a listener of their own"
    logged = open(os.path.join(folder, "server.log")).read()
    assert f"request.key={ours['AWS_ACCESS_KEY_ID']}" in logged.replace('"', ""), logged
    for key in [ours, machine]:
        assert key["AWS_SECRET_ACCESS_KEY"] not in logged

    # SIGTERM ends the long polls with an empty answer, and the server with success.
    answers = []
    poll = threading.Thread(target=lambda: answers.append(limited.poll_for_task(workerGroup="loaders")))
    poll.start()
    until("the poll waits", lambda: numbers().get(("downspout_pollers", group)) == 1)
    server.send_signal(signal.SIGTERM)
    poll.join(LIMIT)
    assert server.wait(LIMIT) == 0
    assert answers and "taskObject" not in answers[0], answers
finally:
    server.kill()

# The limit of calls per key.
server = subprocess.Popen(
    [program, "server", "--config", "server.toml", "--calls-per-second", "1", "--access-log", "false"], cwd=folder,
    stdout=subprocess.PIPE, stderr=log, text=True, env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"})
try:
    endpoint = server.stdout.readline().removeprefix("listening on ").strip()
    codes = [code(client(ours).list_pipelines) for _ in range(20)]
    assert codes[:2] == ["ok", "ok"] and "ThrottlingException" in codes, codes
    assert client(late) and code(client(late).list_pipelines) == "ok", "another key has a limit of its own"
finally:
    server.kill()

# A key of the environment. The server's own keys for AWS are not keys of its clients if both are set.
for names, works in [(["AWS"], "ok"), (["AWS", "DOWNSPOUT"], "UnrecognizedClientException")]:
    environment = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "aws",
                   "AWS_SECRET_ACCESS_KEY": "the secret of aws"}
    if "DOWNSPOUT" in names:
        environment |= {"DOWNSPOUT_ACCESS_KEY_ID": "own", "DOWNSPOUT_SECRET_ACCESS_KEY": "the secret of its own"}
    server = subprocess.Popen(
        [program, "server", "--listen", "127.0.0.1:0", "--store", "sqlite:other.db"], cwd=folder, stdout=subprocess.PIPE,
        stderr=log, text=True, env=environment)
    try:
        endpoint = server.stdout.readline().removeprefix("listening on ").strip()
        assert code(client({"AWS_ACCESS_KEY_ID": "aws", "AWS_SECRET_ACCESS_KEY": "the secret of aws"}).list_pipelines) == works
        if "DOWNSPOUT" in names:
            own = client({"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "the secret of its own"})
            assert code(own.list_pipelines) == "ok"
    finally:
        server.kill()
print("done")
