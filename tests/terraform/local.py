"""Applies tests/terraform/local to a running stack, whose addresses and keys are in the environment.

    local.py apply [EMAIL…]   apply, plan again without changes, and print the outputs as JSON
    local.py destroy          destroy, and check that nothing is left in the state

Ends with 77 if Terraform or its provider is missing, and says so. Needs nothing but Python.
"""

import json
import os
import sys

import tools

FOLDER = tools.ROOT / "tests/terraform/local"
MISSING = 77


def main():
    if missing := tools.missing():
        print("\n".join(missing))
        sys.exit(MISSING)
    verb, *emails = sys.argv[1:]
    work = os.environ["TERRAFORM_WORK"]
    env = tools.environment("local") | {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    env |= {"TF_DATA_DIR": f"{work}/data"}
    env |= {"TF_VAR_emails": json.dumps(emails), "TF_VAR_expire_after_days": json.dumps({"logs": 30 + len(emails)})}
    run = lambda *arguments, accept=(0,): tools.run(["terraform", *arguments], FOLDER, env, 200, accept)
    run("init", "-input=false", "-reconfigure", f"-backend-config=path={work}/terraform.tfstate")
    if verb == "destroy":
        run("destroy", "-auto-approve", "-input=false")
        left = run("state", "list").stdout.split()
        sys.exit(f"left in the state: {left}" if left else 0)
    run("apply", "-auto-approve", "-input=false")
    again = run("plan", "-detailed-exitcode", "-input=false", "-no-color", accept=(0, 2))
    if again.returncode:
        sys.exit(f"a second plan still changes something:\n{again.stdout}")
    print(run("output", "-json").stdout)


if __name__ == "__main__":
    try:
        main()
    except tools.Failed as problem:
        sys.exit(str(problem))
