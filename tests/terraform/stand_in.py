"""A server of moto, which stands in for AWS."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import boto3

import enforcement
from tools import HERE, WORK, Failed

REGION = "us-east-1"
# moto cannot remove a delete marker for good, because only its objects have contents to dispose of.
START = """
import moto.s3.models
moto.s3.models.FakeDeleteMarker.dispose = lambda marker, garbage=False: None
import enforcement
enforcement.install()
import moto.server
moto.server.main()
"""


class Moto:
    """A server with nothing in it. It ends with the block."""

    def __init__(self, name):
        self.log = WORK / f"moto-{name}.log"
        self.decisions = WORK / f"moto-{name}.decisions"
        self.decisions.unlink(missing_ok=True)

    def __enter__(self):
        WORK.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # The policies that AWS manages, such as that of Session Manager.
        env = os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "PYTHONPATH": str(HERE), enforcement.DECISIONS: str(self.decisions)}
        with self.log.open("w") as log:
            command = [sys.executable, "-c", START, "-H", "127.0.0.1", "-p", str(port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        self.wait(port)
        return self

    def wait(self, port):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise Failed(f"moto did not start within 60 s: {self.log}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            # On a busy machine, an exception of its own would hide what the check has found.
            self.process.kill()
            self.process.wait()

    def client(self, service, keys=None):
        keys = keys or {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **{name.lower(): value for name, value in keys.items()})

    def enforce(self, is_on):
        """From now on, roles may do what their policies allow, and other callers need the key of a user."""
        count = b"0" if is_on else b"inf"
        request = urllib.request.Request(f"{self.url}/moto-api/reset-auth", count, {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=30):
            pass
