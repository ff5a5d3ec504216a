"""Starts user data as a new machine would: as root, in a namespace where it changes nothing of this system."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from stand_in import REGION
from tools import WORK, Failed

# What the engine says of itself.
METRICS = """# TYPE downspout_waiting_attempts gauge
downspout_waiting_attempts{account="123456789012",worker_group="warehouse"} 3
downspout_waiting_attempts{account="000000000000",worker_group="warehouse"} 4
downspout_waiting_attempts{account="123456789012",worker_group="other"} 5
downspout_pollers{account="123456789012",worker_group="warehouse"} 1
"""
# Prints what a program finds in its folder.
FILES = """
import grp, json, pathlib
folder = pathlib.Path("/etc/downspout")
look = lambda file: {"mode": oct(file.stat().st_mode)[-3:], "group": grp.getgrgid(file.stat().st_gid).gr_name, "text": file.read_text()}
print(json.dumps({file.name: look(file) for file in folder.iterdir()}))
"""
# /etc and /usr/local/bin get layers that vanish with the namespace. systemctl only writes down what it is asked, and curl knows one
# page. A timer's program runs once.
NAMESPACE = r"""
set -euo pipefail
mount -t tmpfs none "$1"
cd "$1"
mkdir etc etc-work bin bin-work stand-ins
mount -t overlay none -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
mount -t overlay none -o "lowerdir=/usr/local/bin,upperdir=$1/bin,workdir=$1/bin-work" /usr/local/bin
printf '#!/bin/sh\necho "$@" >>%s/systemctl.log\n' "$1" >stand-ins/systemctl
printf '#!/bin/sh\ncat %s/metrics\n' "$1" >stand-ins/curl
printf '#!/bin/sh\n' >stand-ins/update-ca-trust
chmod +x stand-ins/*
printf '%s' "$METRICS" >metrics
export PATH="$1/stand-ins:$2:$PATH"
cat >user-data
bash user-data >&2
name=$(basename /etc/downspout/*.env .env)
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify --man=no "/etc/systemd/system/$name.service" >&2
fi
if [ -e /usr/local/bin/downspout-metrics ]; then
    /usr/local/bin/downspout-metrics >&2
fi
sha256sum "/usr/local/bin/$name" | cut -d ' ' -f 1
tr '\n' ';' <systemctl.log
echo
python -c "$FILES"
"""


def can_start():
    """Whether this process may make such namespaces."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        return False
    probe = "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w && mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc"
    return subprocess.run(["unshare", "--mount", "bash", "-c", probe], capture_output=True, check=False).returncode == 0


def start(example, script):
    """Runs user data, and returns what it left: checksum of the program, calls of systemctl, and the program's files by name."""
    scratch = WORK / f"machine-{example.name}"
    scratch.mkdir(parents=True, exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AWS_ENDPOINT_URL": example.moto.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
    env |= {"METRICS": METRICS, "FILES": FILES}
    programs = pathlib.Path(sys.executable).parent
    command = ["unshare", "--mount", "bash", "-c", NAMESPACE, "machine", scratch, programs]
    done = subprocess.run(command, input=script, env=env, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise Failed(f"{example.name}: the user data ended with {done.returncode}:\n{done.stderr}")
    checksum, calls, files = done.stdout.splitlines()
    return checksum, calls, json.loads(files)
