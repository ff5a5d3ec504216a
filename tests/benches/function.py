"""How fast the Lambda function starts, how large it is and how much memory it takes, beside the same idea in Python (boto3 and
awslambdaric). Makes the package of this machine's processor first. Prints a table and writes target/bench-function.json."""

import http.server
import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time

STARTS = 15
EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "drop"}).encode()

# Does what the function does at its start: clients of three services, and a handler that ignores a test event.
RIVAL = """
import boto3
clients = [boto3.client(name) for name in ("s3", "datapipeline", "sns")]
def handler(event, context):
    return {"decisions": [], "batchItemFailures": []}
"""


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Notes when the function asks for its first event, and gives it one event."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.polled, self.answered = threading.Event(), threading.Event()
        self.first_poll = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.first_poll is not None:
            time.sleep(60)  # no further event
            return
        self.server.first_poll = time.perf_counter()
        self.server.polled.set()
        self.send_response(200)
        for name, value in {
            "Lambda-Runtime-Aws-Request-Id": "1",
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 60) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:orders",
            "Content-Type": "application/json",
            "Content-Length": str(len(EVENT)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(EVENT)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *_):
        pass


def start(command, folder):
    """Returns milliseconds from the start to the first poll, and the resident memory in MB after the first answer."""
    api = RuntimeApi()
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_EC2_METADATA_DISABLED": "true",
        # Nothing listens there, so the event's handling ends at once.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "DEFINITIONS_S3_URI": "s3://definitions",
        "NOTIFY_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:notices",
    }
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert api.polled.wait(60), f"no poll of {command}"
        assert api.answered.wait(60), f"no answer of {command}"
        with open(f"/proc/{process.pid}/status") as status:
            memory = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        return (api.first_poll - begun) * 1000, memory / 1024
    finally:
        process.kill()
        process.wait()
        api.shutdown()


def measured(command, folder):
    starts = [start(command, folder) for _ in range(STARTS)]
    return {
        "start_to_poll_ms": round(statistics.median(first for first, _ in starts), 1),
        "memory_mb": round(max(memory for _, memory in starts), 1),
    }


def main():
    own = {"x86_64": ("x86_64", "amd64", "orchestrator.zip"), "aarch64": ("arm64", "arm64", "orchestrator-arm64.zip")}
    processor, image, archive = own[platform.machine()]
    subprocess.run(["orchestrator/package", processor], check=True, stdout=subprocess.DEVNULL)
    bootstrap, archive = (os.path.abspath(f"target/package/{name}") for name in (f"{image}/bootstrap", archive))
    python = os.path.abspath("target/rival-of-function/bin/python")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "rival.py"), "w") as file:
            file.write(RIVAL)
        ours = measured([bootstrap], folder)
        ours["zip_mb"] = round(os.path.getsize(archive) / 1024 / 1024, 2)
        rival = measured([python, "-m", "awslambdaric", "rival.handler"], folder)
    with open("target/bench-function.json", "w") as file:
        json.dump({"bootstrap": ours, "boto3_awslambdaric": rival}, file, indent=2)
    print(f"{'the Lambda function':<28}{'bootstrap':>12}{'Python':>12}{'goal':>12}")
    for name, unit, goal in (("start_to_poll_ms", "ms", "< 10"), ("memory_mb", "MB", "< 32"), ("zip_mb", "MB", "< 6")):
        print(f"{name.rsplit('_', 1)[0].replace('_', ' '):<28}{ours[name]:>9} {unit}{rival.get(name, '-'):>9} {unit}{goal:>9} {unit}")


main()
