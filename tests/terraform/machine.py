"""Starts user data as a new machine would: as root, in a namespace where it changes nothing of this system."""

import os
import pathlib
import shutil
import subprocess
import sys

from stand_in import REGION
from tools import WORK, Failed

# /etc and /usr/local/bin get layers that vanish with the namespace. systemctl only writes down what it is asked.
NAMESPACE = r"""
set -euo pipefail
mount -t tmpfs none "$1"
cd "$1"
mkdir etc etc-work bin bin-work stand-ins
mount -t overlay none -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
mount -t overlay none -o "lowerdir=/usr/local/bin,upperdir=$1/bin,workdir=$1/bin-work" /usr/local/bin
printf '#!/bin/sh\necho "$@" >>%s/systemctl.log\n' "$1" >stand-ins/systemctl
chmod +x stand-ins/systemctl
export PATH="$1/stand-ins:$2:$PATH"
cat >user-data
bash user-data >&2
name=$(ls /etc/downspout | sed 's/\.env$//')
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify --man=no "/etc/systemd/system/$name.service" >&2
fi
stat -c '%a %U' "/etc/downspout/$name.env"
sha256sum "/usr/local/bin/$name" | cut -d ' ' -f 1
tr '\n' ';' <systemctl.log
echo
cat "/etc/downspout/$name.env"
"""


def can_start():
    """Whether this process may make such namespaces."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        return False
    probe = "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w && mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc"
    return subprocess.run(["unshare", "--mount", "bash", "-c", probe], capture_output=True, check=False).returncode == 0


def start(example, script):
    """Runs user data, and returns what it left: mode of the settings, checksum of the program, calls of systemctl, settings."""
    scratch = WORK / f"machine-{example.name}"
    scratch.mkdir(parents=True, exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AWS_ENDPOINT_URL": example.moto.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
    programs = pathlib.Path(sys.executable).parent
    command = ["unshare", "--mount", "bash", "-c", NAMESPACE, "machine", scratch, programs]
    done = subprocess.run(command, input=script, env=env, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise Failed(f"{example.name}: the user data ended with {done.returncode}:\n{done.stderr}")
    mode, checksum, calls, *settings = done.stdout.splitlines()
    return mode, checksum, calls, dict(line.split("=", 1) for line in settings)
