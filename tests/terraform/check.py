"""Runs every check of terraform/, and says what was not checked.

    check.py [--write] [--quick] [WORD…]

`--write` writes tables and snapshots again, `--quick` applies no example, and words choose the checks whose names contain one.
"""

import concurrent.futures
import os
import sys
import time

import apply
import bindings
import costs
import faults
import sources
import tables
import tools
from tools import ROOT, SOURCES, Failed


def checkov(folder=SOURCES):
    command = [ROOT / "target/venv-checkov/bin/checkov", "--directory", folder, "--framework", "terraform"]
    tools.run([*command, "--quiet", "--compact", "--skip-download"], ROOT, os.environ, 900)


def formatted():
    done = tools.run(["terraform", "fmt", "-check", "-recursive", "-diff", SOURCES], ROOT, tools.environment("fmt"), 60, accept=(0, 2, 3))
    if done.returncode:
        raise Failed(f"not formatted: terraform fmt -recursive terraform\n{done.stdout}")


def validate(folder, env):
    tools.run(["terraform", "init", "-backend=false", "-input=false"], folder, env)
    tools.run(["terraform", "validate", "-no-color"], folder, env)


def validated():
    copy = tools.copy("validated") / "terraform"
    for folder in [copy, *sorted((copy / "examples").iterdir())]:
        validate(folder, tools.environment(f"validate-{folder.name}"))


def tested():
    copy = tools.copy("tested") / "terraform"
    env = tools.environment("tested")
    tools.run(["terraform", "init", "-backend=false", "-input=false"], copy, env)
    tools.run(["terraform", "test", "-no-color"], copy, env)


def planned(write):
    yield "conventions", sources.check
    yield "tables", lambda: tables.check(write)
    yield "costs", costs.check
    yield "version 6 of the provider", bindings.check
    yield "checkov", checkov
    if not tools.terraform():
        return
    yield "format", formatted
    if not tools.mirror():
        return
    yield "validate", validated
    yield "terraform test", tested
    for example in apply.EXAMPLES:
        yield f"apply {example}", lambda example=example: apply.check(example, write)


def main():
    write = "--write" in sys.argv[1:]
    chosen = [word for word in sys.argv[1:] if not word.startswith("--")]
    checks = [*planned(write), *faults.planned(validate)]
    if "--quick" in sys.argv[1:]:
        checks = [(name, check) for name, check in checks if not name.startswith("apply")]
    checks = [(name, check) for name, check in checks if not chosen or any(word in name for word in chosen)]
    passed, failed = 0, []
    # The applies wait for the provider most of the time, so they may all run at once.
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        begun = time.monotonic()
        running = {pool.submit(check): name for name, check in reversed(checks)}
        for done in concurrent.futures.as_completed(running):
            name, seconds = running[done], time.monotonic() - begun
            try:
                done.result()
                passed += 1
                print(f"passed after {seconds:3.0f} s: {name}", flush=True)
            except Failed as problem:
                failed.append(name)
                print(f"FAILED after {seconds:3.0f} s: {name}\n{problem}\n", file=sys.stderr, flush=True)
    for line in tools.unchecked():
        print(f"NOT CHECKED: {line}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
