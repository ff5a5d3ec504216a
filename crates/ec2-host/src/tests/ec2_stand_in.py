"""A server of moto that stands in for EC2, until its standard input closes. It prints one line of JSON: its address, and what it has.

It adds to moto what EC2 does and moto does not: a client token makes RunInstances idempotent, and a spot machine can be taken back.
Nobody can order the latter from EC2, so StopInstances stands for it here.
"""

import json
import os
import sys
import threading

from moto.core.responses import ActionResult
from moto.ec2 import ec2_backends
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, StateReason
from moto.ec2.responses.instances import InstanceResponse
from moto.iam import iam_backends
from moto.server import ThreadedMotoServer

ACCOUNT, REGION, PROFILE = "123456789012", "us-east-1", "downspout-worker"
run_instances = InstanceResponse.run_instances
started = {}
one_at_a_time = threading.Lock()


def run_instances_once(self):
    with one_at_a_time:
        return run_instances_by_token(self)


def run_instances_by_token(self):
    token = self.current_account, self.region, self._get_param("ClientToken")
    request = {name: value for name, value in self.querystring.items() if not name.startswith("X-Amz-")}
    earlier, reservation = started.get(token, (request, None))
    if earlier != request:
        raise EC2ClientError("IdempotentParameterMismatch", "The client token belongs to another request.")
    if reservation is not None:
        return ActionResult(reservation)
    before = set(self.ec2_backend.reservations)
    answer = run_instances(self)
    (new,) = set(self.ec2_backend.reservations) - before
    started[token] = request, self.ec2_backend.reservations[new]
    return answer


def take_back(self, *_args, **_options):
    state = Instance.terminate(self)
    text = "Server.SpotInstanceTermination"
    self.state_reason = StateReason(f"{text}: Instance terminated by its price", text)
    return state


InstanceResponse.run_instances = run_instances_once
Instance.stop = take_back

ec2 = ec2_backends[ACCOUNT][REGION]
subnets = {subnet.availability_zone: subnet.id for subnet in ec2.describe_subnets()}
group = next(group.id for group in ec2.describe_security_groups() if group.name == "default")
iam_backends[ACCOUNT]["aws"].create_instance_profile(PROFILE, "/", [])

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"url": f"http://{host}:{port}", "subnets": subnets, "group": group, "profile": PROFILE}), flush=True)
sys.stdin.read()
os._exit(0)
