"""Runs the user data of a machine as root, in a mount namespace, so that this computer is not changed."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from stand_in import REGION
from tools import WORK, Failed

# The metrics of the server.
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
# /etc and /usr/local/bin get layers that vanish with the namespace. Stand-ins replace some programs: systemctl and shutdown write their
# arguments into a file, curl prints the metrics, sleep returns at once, and update-ca-trust adds the certificates for the machine.
NAMESPACE = r"""
set -euo pipefail
mount -t tmpfs none "$1"
cd "$1"
mkdir etc etc-work bin bin-work stand-ins
mount -t overlay none -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
mount -t overlay none -o "lowerdir=/usr/local/bin,upperdir=$1/bin,workdir=$1/bin-work" /usr/local/bin
printf '#!/bin/sh\necho "$@" >>%s/systemctl.log\n' "$1" >stand-ins/systemctl
printf '#!/bin/sh\ncat %s/metrics\n' "$1" >stand-ins/curl
printf '#!/bin/sh\necho "$0 $@" >>%s/shutdown.log\n' "$1" >stand-ins/shutdown
printf '#!/bin/sh\ncat /etc/pki/ca-trust/source/anchors/*.pem >>/etc/ssl/certs/ca-certificates.crt\n' >stand-ins/update-ca-trust
printf '#!/bin/sh\n' >stand-ins/sleep
chmod +x stand-ins/*
printf '%s' "$METRICS" >metrics
printf '%s' "$HOSTS" >>/etc/hosts
export PATH="$1/stand-ins:$2:$PATH"
cat >user-data
bash user-data >&2
name=$(basename /etc/downspout/*.env .env)
"""
# Prints the files that the user data has left. Runs `downspout-metrics` once, which a timer of systemd would run.
LOOK = r"""
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


def environment(example, hosts="", credentials=None):
    """What programs on a machine find around them: AWS, its role, and the names of other machines."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    keys = credentials or {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return env | keys | {"AWS_ENDPOINT_URL": example.moto.url, "AWS_REGION": REGION, "METRICS": METRICS, "HOSTS": hosts, "FILES": FILES}


def command(scratch, script):
    scratch.mkdir(parents=True, exist_ok=True)
    return ["unshare", "--mount", "bash", "-c", NAMESPACE + script, "machine", scratch, pathlib.Path(sys.executable).parent]


def start(example, script):
    """Runs user data, and returns what it left: checksum of the program, calls of systemctl, and the program's files by name."""
    done = subprocess.run(command(WORK / f"machine-{example.name}", LOOK), input=script, env=environment(example), capture_output=True,
                          text=True, timeout=240, check=False)
    if done.returncode:
        raise Failed(f"{example.name}: the user data ended with {done.returncode}:\n{done.stderr}")
    checksum, calls, files = done.stdout.splitlines()
    return checksum, calls, json.loads(files)


# Starts the service that the user data has installed, as systemd would: with its settings, and with the command of its unit.
# Ends instead if the program of the metrics asked for a shutdown.
SERVE = r"""
[ ! -e /usr/local/bin/downspout-metrics ] || /usr/local/bin/downspout-metrics
[ ! -e shutdown.log ] || exit 1
cd "$1"
export PATH="${PATH#"$1/stand-ins:"}"
exec python -c "$SERVICE" "$name"
"""
SERVICE = r"""
import json, os, pathlib, re, shlex, sys
name = sys.argv[1]
settings = {}
for line in pathlib.Path(f"/etc/downspout/{name}.env").read_text().splitlines():
    key, _, value = line.partition("=")
    settings[key] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
unit = pathlib.Path(f"/etc/systemd/system/{name}.service").read_text()
settings |= dict(line.split("=", 1) for line in re.findall("^Environment=(.*)$", unit, re.M)) | json.loads(os.environ["OVERRIDES"])
program, *arguments = shlex.split(re.search("^ExecStart=(.*)$", unit, re.M).group(1))
print("SERVICE STARTED", flush=True)
filled = [re.sub(r"\$\{(\w+)\}", lambda found: settings[found.group(1)], argument) for argument in arguments]
os.execve(program, [program, *filled], os.environ | settings)
"""


class Machine:
    """A machine that goes on running: first its user data, then the program that the user data has installed."""

    def __init__(self, example, name, script, role, hosts="", **overrides):
        self.name, self.scratch = name, WORK / f"story-{example.name}" / name
        env = environment(example, hosts, role) | {"SERVICE": SERVICE, "OVERRIDES": json.dumps(overrides)}
        serve = command(self.scratch, SERVE)
        self.log = self.scratch.with_name(f"{name}.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, text=True)
        self.process.stdin.write(script)
        self.process.stdin.close()

    def must_run(self):
        if self.process.poll() is not None:
            raise Failed(f"the machine {self.name} has ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")

    def has_started(self):
        """Whether the user data has come to its end, and the program has started."""
        return "SERVICE STARTED" in self.log.read_text()

    def cut_power(self):
        """Ends the machine as a loss of power would."""
        self.process.kill()
        self.process.wait()
