"""Finds the programs of the checks, and runs them."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/terraform"
SOURCES = ROOT / "terraform"
WORK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "terraform"
# What the modules read outside of their own folder.
BESIDE = ["ec2-worker/systemd", "crates/server/systemd", "pipeline-definitions"]
# The function's program, if `make package` has made it.
FUNCTION = ROOT / "target/package/amd64/bootstrap"
# The programs that `cargo test` has built for the stories of tests/e2e, and the worker.
PROGRAMS = WORK.parent / "debug"
PROVIDER = "terraform-provider-aws*"
USUAL_MIRRORS = [
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
]


class Failed(Exception):
    """A check found a problem. The text says what, where, and what to do."""


def terraform():
    """The path of the CLI, or None."""
    return shutil.which("terraform")


def mirror():
    """The folder that has the provider as MIRROR/HOST/hashicorp/aws/…, or None."""
    places = [os.environ.get("TF_PLUGIN_MIRROR"), *USUAL_MIRRORS, "/opt"]
    for place in [pathlib.Path(place).expanduser() for place in places if place]:
        for file in sorted(place.rglob(PROVIDER)) if place.is_dir() else []:
            parts = file.parts
            if "hashicorp" in parts[2:]:
                return pathlib.Path(*parts[: parts.index("hashicorp") - 1])
    return None


def missing():
    """Says for each missing program what is then not checked."""
    lines = []
    if not terraform():
        lines.append("terraform (the CLI, 1.9 or newer) is missing: format, validate, test and apply are not checked")
    elif not mirror():
        lines.append(
            "the provider hashicorp/aws is missing: validate, test and apply are not checked. Set TF_PLUGIN_MIRROR to a folder "
            "that `terraform providers mirror FOLDER` made"
        )
    return lines


def unchecked():
    """`missing`, and what else cannot be checked here."""
    import machine
    import story

    if lines := missing():
        return lines
    if not machine.can_start():
        lines.append("only root may make namespaces with mounts: the user data of machines is read, but not started")
    if without := story.missing():
        lines.append(f"{without}: the whole story on the example `complete` is not told, and no statement of a policy is proved to be needed")
    if not FUNCTION.exists():
        lines.append("`make package` was not run: the function's program is not started with the environment that it gets")
    return lines


def environment(name):
    """The environment of the CLI: the provider from the mirror, and nothing of the user's own settings."""
    WORK.mkdir(parents=True, exist_ok=True)
    config = WORK / "cli.tfrc"
    # The checks run side by side, and none may read a half-written file.
    written = config.with_suffix(f".{name}")
    written.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n')
    written.replace(config)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
    return kept | {
        "TF_CLI_CONFIG_FILE": str(config),
        "TF_DATA_DIR": str(WORK / "data" / name),
        "TF_IN_AUTOMATION": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CHECKPOINT_DISABLE": "1",
    }


def copy(name):
    """A fresh copy of the sources, which a check may change."""
    to = WORK / name
    shutil.rmtree(to, ignore_errors=True)
    for part in ["terraform", *BESIDE]:
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "samples")
        shutil.copytree(ROOT / part, to / part, ignore=ignored)
    return to


def until(what, condition, limit=180):
    """Waits for a condition and returns what it has found."""
    end = time.monotonic() + limit
    while not (found := condition()):
        if time.monotonic() > end:
            raise Failed(f"not within {limit} s: {what}")
        time.sleep(0.1)
    return found


def run(command, cwd, env, limit=1800, accept=(0,)):
    """Runs a program with a time limit. An unexpected exit code is a problem, and shows the program's output."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(map(str, command))} in {cwd} took longer than {limit} s") from error
    if done.returncode not in accept:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-60:])
        raise Failed(f"{' '.join(map(str, command))} in {cwd} ended with {done.returncode}:\n{output}")
    return done


if __name__ == "__main__":
    for line in missing():
        print(f"setup: {line}", file=sys.stderr)
