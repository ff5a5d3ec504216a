"""The traces of the hosted server: a collector that reads them, one that is away, and one that does not answer."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

scene, program, folder = sys.argv[1:4]
LIMIT = 30
# Texts that no trace may have: of a definition, of a worker's report, of the server's own keys, and of the collector.
BODY, REPORT, OWN, COLLECTOR = "hidden-in-the-body", "hidden-in-the-report", "hidden-own-secret", "hidden-collector-key"
OBJECTS = [
    {"id": "Default", "name": "Default", "fields": [
        {"key": "scheduleType", "stringValue": "ondemand"},
        {"key": "role", "stringValue": "r"}, {"key": "resourceRole", "stringValue": "r"}]},
    {"id": "A", "name": "A", "fields": [
        {"key": "type", "stringValue": "ShellCommandActivity"}, {"key": "command", "stringValue": f"echo {BODY}"},
        {"key": "workerGroup", "stringValue": "loaders"}, {"key": "maximumRetries", "stringValue": "0"},
        {"key": "onFail", "refValue": "Mail"}]},
    {"id": "Mail", "name": "Mail", "fields": [
        {"key": "type", "stringValue": "SnsAlarm"}, {"key": "topicArn", "stringValue": "arn:aws:sns:us-east-1:000000000000:t"},
        {"key": "subject", "stringValue": BODY}, {"key": "message", "stringValue": BODY}]},
]
ATTRIBUTES = {
    "request": {"request.id", "request.operation", "request.key", "account.id", "result", "http.response.status_code"},
    "claim": {"pipeline.id", "attempt.id", "result"},
    "step": {"pipeline.id", "run.id", "result"},
    "begin": {"pipeline.id", "run.id"},
    "save": {"pipeline.id", "result"},
    "wake": {"pipeline.id", "result"},
    "publish": {"notice.id", "pipeline.id", "result"},
}
PUBLISHED = b"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId>
</PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>"""


class Collector(BaseHTTPRequestHandler):
    """A collector, which also plays SNS: an answer to every publish."""

    protocol_version = "HTTP/1.1"
    bodies, requests = [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = PUBLISHED
        if self.path == "/v1/traces":
            assert self.headers["Content-Type"] == "application/x-protobuf", self.headers
            assert self.headers["X-Collector-Key"] == COLLECTOR, self.headers
            self.bodies.append(body)
            self.requests.append(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def until(what, condition):
    end = time.monotonic() + LIMIT
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}; there are {[span.name for span in spans()]}"
        time.sleep(0.05)


def collect(port=0):
    collector = ThreadingHTTPServer(("127.0.0.1", port), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    return collector.server_address[1]


def spans():
    return [span for request in list(Collector.requests) for resource in request.resource_spans
            for scope in resource.scope_spans for span in scope.spans]


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(holder):
    return {attribute.key: value(attribute.value) for attribute in holder.attributes}


def find(name, **expected):
    wanted = {key.replace("_", "."): value for key, value in expected.items()}
    return [span for span in spans() if span.name == name and wanted.items() <= attributes(span).items()]


def children(parent, name):
    return [span for span in spans() if span.parent_span_id == parent.span_id and span.name == name]


def run(*arguments, **options):
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, **options)


def add_key():
    made = run("keys", "add", "--file", "keys.json")
    assert made.returncode == 0, made.stderr
    return dict(line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines())


def start(sns, *arguments):
    server = subprocess.Popen(
        [program, "server", "--listen", "127.0.0.1:0", "--keys", "keys.json", "--store", "sqlite:pipelines.db", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=open(os.path.join(folder, "server.log"), "a"), text=True,
        env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1",
             "AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": OWN, "AWS_ENDPOINT_URL_SNS": f"http://127.0.0.1:{sns}",
             "OTEL_EXPORTER_OTLP_HEADERS": f"x-collector-key={COLLECTOR}", "OTEL_BSP_SCHEDULE_DELAY": "100"})
    return server, server.stdout.readline().removeprefix("listening on ").strip()


def stop(server):
    server.send_signal(signal.SIGTERM)
    assert server.wait(LIMIT) == 0


def client(endpoint, key, traceparent=None):
    made = boto3.client(
        "datapipeline", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id=key["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"], config=Config(retries={"total_max_attempts": 1}))
    if traceparent:
        made.meta.events.register("before-sign", lambda request, **_: request.headers.add_header("traceparent", traceparent))
    return made


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def said():
    with open(os.path.join(folder, "server.log")) as file:
        return file.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check_requests(endpoint, key):
    """One span for each request, below the span of the caller, with what the answer says."""
    trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    answer = client(endpoint, key, f"00-{trace}-{caller}-01").create_pipeline(name="p", uniqueId="u")
    created = until("the span of the call", lambda: find("CreatePipeline"))[0]
    assert (created.trace_id.hex(), created.parent_span_id.hex()) == (trace, caller), created
    assert created.kind == Span.SPAN_KIND_SERVER and created.status.code == Status.STATUS_CODE_UNSET, created
    assert created.end_time_unix_nano > created.start_time_unix_nano > 0
    assert attributes(created) == {
        "request.id": answer["ResponseMetadata"]["RequestId"], "request.operation": "CreatePipeline",
        "request.key": key["AWS_ACCESS_KEY_ID"], "account.id": "000000000000", "result": "ok",
        "http.response.status_code": 200}, created
    ours, unsampled = client(endpoint, key), client(endpoint, key, f"00-{trace}-{caller}-00")
    assert code(ours.delete_pipeline, pipelineId="df-NONE") == "PipelineNotFoundException"
    forger = client(endpoint, {**key, "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert code(unsampled.describe_pipelines, pipelineIds=[answer["pipelineId"]]) == "ok"
    assert code(forger.list_pipelines) == "InvalidSignatureException"
    assert urllib.request.urlopen(endpoint + "/healthz", timeout=LIMIT).read() == b"ok\n"
    forged = until("a refused request", lambda: find("ListPipelines", result="InvalidSignatureException"))[0]
    assert attributes(forged)["http.response.status_code"] == 403 and "request.key" not in attributes(forged), forged
    assert not forged.parent_span_id and forged.trace_id.hex() != trace, forged
    assert find("DeletePipeline", result="PipelineNotFoundException"), spans()
    assert not find("DescribePipelines"), "the caller did not want this request in a trace"
    return answer["pipelineId"]


def check_run(endpoint, key, pipeline):
    """The steps of a run are below the requests that caused them."""
    ours = client(endpoint, key)
    ours.put_pipeline_definition(pipelineId=pipeline, pipelineObjects=OBJECTS)
    ours.activate_pipeline(pipelineId=pipeline)
    task = ours.poll_for_task(workerGroup="loaders")["taskObject"]
    ours.report_task_progress(taskId=task["taskId"])
    poll = until("the span of the poll", lambda: find("PollForTask"))[0]
    claim = children(poll, "claim")[0]
    assert attributes(claim) == {"pipeline.id": pipeline, "attempt.id": task["attemptId"], "result": "ok"}, claim
    step = children(claim, "step")[0]
    save = children(step, "save")[0]
    assert {span.trace_id for span in [poll, claim, step, save]} == {poll.trace_id}
    assert attributes(save) == {"pipeline.id": pipeline, "result": "ok"}, save
    run_id = attributes(step)["run.id"]
    activated = find("ActivatePipeline")[0]
    assert [attributes(span)["run.id"] for span in children(activated, "begin")] == [run_id], spans()
    return task["taskId"]


def check_end(endpoint, key, task):
    """The end of the run, and its notice."""
    client(endpoint, key).set_task_status(
        taskId=task, taskStatus="FAILED", errorId="E", errorMessage=REPORT, errorStackTrace=REPORT)
    published = until("the span of the notice", lambda: find("publish", result="ok"))[0]
    assert published.kind == Span.SPAN_KIND_PRODUCER and not published.parent_span_id, published
    set_status = until("the span of the report", lambda: find("SetTaskStatus"))[0]
    assert children(children(set_status, "step")[0], "save"), spans()


def check_whole(keys):
    """What holds for every span, and for the bytes on the wire."""
    for span in spans():
        allowed = ATTRIBUTES.get(span.name, ATTRIBUTES["request"])
        assert set(attributes(span)) <= allowed and not span.events and not span.links, span
    for request in Collector.requests:
        for resource in request.resource_spans:
            found = attributes(resource.resource)
            assert found["service.name"] == "downspout" and found["service.version"], found
    wire = b"".join(Collector.bodies)
    secrets = [BODY, REPORT, OWN, COLLECTOR] + [key["AWS_SECRET_ACCESS_KEY"] for key in keys]
    for secret in secrets:
        assert secret.encode() not in wire, f"{secret} is in the traces"


def play_spans():
    key, port = add_key(), collect()
    with open(os.path.join(folder, "server.toml"), "w") as file:
        file.write(f'otlp-endpoint = "http://127.0.0.1:{port}"\n')
    server, endpoint = start(port, "--config", "server.toml")
    try:
        pipeline = check_requests(endpoint, key)
        task = check_run(endpoint, key, pipeline)
        # The last spans leave at a stop, and the next server wakes the open run.
        client(endpoint, key).list_pipelines()
        stop(server)
        assert find("ListPipelines", result="ok"), "the last span is not there"
        assert not find("wake", pipeline_id=pipeline), "nothing was due"
        server, endpoint = start(port, "--config", "server.toml")
        woken = until("the span of the wake-up", lambda: find("wake", pipeline_id=pipeline))[0]
        assert not woken.parent_span_id and attributes(woken)["result"] == "ok", woken
        check_end(endpoint, key, task)
        stop(server)
        check_whole([key])
        lines = [line for line in said().splitlines() if "request.operation" in line]
        assert lines and not any("{" in line for line in lines), "the log stays as it is without traces"
        assert "collector" not in said(), said()
    finally:
        server.kill()


def play_away():
    key, port, sns = add_key(), free_port(), free_port()
    server, endpoint = start(sns, "--sns", "false", "--otlp-endpoint", f"http://127.0.0.1:{port}")
    try:
        ours = client(endpoint, key)
        warned = lambda: said().count("the collector does not take traces")
        until("the log has a warning", lambda: code(ours.list_pipelines) == "ok" and warned())
        # More spans than may wait for the collector: requests without a signature have spans too.
        connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=LIMIT)
        for number in range(3_000):
            connection.request("POST", "/", headers={"X-Amz-Target": "DataPipeline.ListPipelines"})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (403, True), answer.status
            if number % 300 == 0:
                assert code(ours.list_pipelines) == "ok"
        assert warned() == 1, said()
        collect(port)
        until("the collector gets spans", lambda: code(ours.list_pipelines) == "ok" and find("ListPipelines", result="ok"))
        until("the log says so", lambda: "the collector takes traces again" in said())
        assert warned() == 1, said()
        stop(server)
    finally:
        server.kill()


def play_silent():
    key, sns = add_key(), free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server, endpoint = start(sns, "--sns", "false", "--otlp-endpoint", f"http://127.0.0.1:{silent.getsockname()[1]}")
        try:
            ours = client(endpoint, key)
            assert [code(ours.list_pipelines) for _ in range(50)] == ["ok"] * 50
            connection, _ = silent.accept()
            with connection:
                assert code(ours.list_pipelines) == "ok", "while a batch waits for its answer"
                stop(server)
        finally:
            server.kill()


def play_settings():
    wrong = run("server", "--otlp-endpoint", "grpc://collector:4317", "--account-id", "5")
    assert wrong.returncode != 0 and "account-id:" in wrong.stderr, wrong.stderr
    assert "otlp-endpoint: write the address of a collector" in wrong.stderr, wrong.stderr
    environment = {"PATH": os.environ["PATH"], "DOWNSPOUT_OTLP_ENDPOINT": "http://me:hidden@collector:4318"}
    for arguments in [[], ["--help"]]:
        wrong = run("server", *arguments, env=environment)
        assert "hidden" not in wrong.stdout + wrong.stderr, wrong
    wrong = run("server", env=environment)
    assert "otlp-endpoint:" in wrong.stderr and "OTEL_EXPORTER_OTLP_HEADERS" in wrong.stderr, wrong.stderr
    with open(os.path.join(folder, "server.toml"), "w") as file:
        file.write('otlp-endpoint = "collector:4318"\n')
    wrong = run("server", "--config", "server.toml")
    assert "otlp-endpoint:" in wrong.stderr, wrong.stderr


{"spans": play_spans, "away": play_away, "silent": play_silent, "settings": play_settings}[scene]()
print("done")
