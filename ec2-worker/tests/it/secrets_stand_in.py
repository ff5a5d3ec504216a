"""A server of moto that stands in for Secrets Manager and Systems Manager, until its standard input closes.

It reads the password from its first argument, stores it as people and RDS do, and prints one line of JSON: its address, and the
ARN of the secret that RDS would have made.
"""

import json
import os
import sys

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"


def client(service, region):
    return boto3.client(service, endpoint_url=url, region_name=region, aws_access_key_id="test", aws_secret_access_key="test")


password = sys.argv[1]
secrets = client("secretsmanager", "us-east-1")
secrets.create_secret(Name="prod/plain", SecretString=password)
secrets.create_secret(Name="prod/token", SecretString=json.dumps({"token": password}))
secrets.create_secret(Name="prod/bytes", SecretBinary=password.encode())
login = json.dumps({"username": "loader", "password": password})
# In another region than that of the worker, which only the ARN tells.
managed = client("secretsmanager", "eu-west-1").create_secret(Name="rds!db-1", SecretString=login)["ARN"]
client("ssm", "us-east-1").put_parameter(Name="/prod/db", Value=password, Type="SecureString")
print(json.dumps({"url": url, "managed": managed}), flush=True)
sys.stdin.read()
os._exit(0)
