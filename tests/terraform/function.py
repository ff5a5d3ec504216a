"""Plays Lambda for the orchestrator: hands it the messages of the queue, and does with the function's role what Lambda does."""

import http.server
import json
import os
import queue
import subprocess
import threading
import time

import machine
from stand_in import REGION
from tools import Failed

LIMIT = 60
# The function's program finds other machines by their names.
NAMESPACE = r"""
set -euo pipefail
mount -t tmpfs none "$1"
cd "$1"
mkdir etc etc-work
mount -t overlay none -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
printf '%s' "$HOSTS" >>/etc/hosts
unset HOSTS
exec "$2"
"""


# What S3 sends in every record, and moto leaves out.
ALWAYS = {"userIdentity": {"principalId": "A"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
          "responseElements": {"x-amz-request-id": "A", "x-amz-id-2": "A"}}


def completed(body):
    event = json.loads(body)
    return json.dumps({"Records": [ALWAYS | record for record in event["Records"]]}) if "Records" in event else body


class Function:
    """The function of an example, with its environment and its role."""

    def __init__(self, example, program, scratch, role, name, variables, hosts):
        self.events, self.answers = queue.Queue(), queue.Queue()
        self.clients = {service: example.moto.client(service, role) for service in ("sqs", "logs")}
        self.group, self.stream = f"/aws/lambda/{name}", f"story-{time.time_ns()}"
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        env = machine.environment(example, hosts, role) | variables | {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_STREAM_NAME": self.stream}
        scratch.mkdir(parents=True, exist_ok=True)
        self.log = scratch.with_name("function.log")
        with self.log.open("w") as log:
            command = ["unshare", "--mount", "bash", "-c", NAMESPACE, "function", scratch, program]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        self.logged = 0

    def handler(self):
        function = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event = function.events.get()
                if event is None:
                    return
                event = json.dumps(event).encode()
                self.send_response(200)
                deadline = str(int((time.time() + LIMIT) * 1000))
                for header, value in {"Lambda-Runtime-Aws-Request-Id": "story", "Lambda-Runtime-Deadline-Ms": deadline,
                                      "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:story",
                                      "Content-Type": "application/json", "Content-Length": str(len(event))}.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                function.answers.put((self.path.rpartition("/")[2], json.loads(body or b"null")))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def invoke(self, event):
        """One invocation. Lambda then writes the function's log with the function's role."""
        self.events.put(event)
        try:
            kind, answer = self.answers.get(timeout=LIMIT)
        except queue.Empty:
            raise Failed(f"the function does not answer:\n{self.log.read_text()[-3000:]}") from None
        self.write_the_log()
        if kind != "response":
            raise Failed(f"the function answered {answer}")
        return answer

    def write_the_log(self):
        lines = self.log.read_text().splitlines()
        new, self.logged = lines[self.logged:], len(lines)
        if self.logged == len(new):
            self.clients["logs"].create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in new if line]
        if events:
            self.clients["logs"].put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=events)

    def receive(self, url):
        """Takes the messages of the queue, as the event source mapping does. Returns how many the function has done."""
        sqs, done = self.clients["sqs"], 0
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
            records = [{"messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"], "body": completed(one["Body"]), "eventSource": "aws:sqs",
                        "awsRegion": REGION, "attributes": {}, "messageAttributes": {}, "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:q"}
                       for one in batch]
            answer = self.invoke({"Records": records})
            if failed := (answer or {}).get("batchItemFailures"):
                raise Failed(f"the function has not done {failed}:\n{self.log.read_text()[-3000:]}")
            for one in batch:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            done += len(batch)
        return done

    def end(self):
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.events.put(None)
