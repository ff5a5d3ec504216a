"""Reads the sources with a parser that is not Terraform's own, and checks their conventions."""

import re

import hcl2

from tools import SOURCES, Failed

# What a statement that allows may not have. A key's own policy names the account with kms:*.
WIDE_ACTION = re.compile(r"\*")
WIDE_ALLOWED = {"kms:*", "kms:ReEncrypt*", "kms:GenerateDataKey*"}


def modules(sources=SOURCES):
    """Every folder that is a module: the root, modules and examples."""
    folders = [sources, *sorted((sources / "modules").iterdir()), *sorted((sources / "examples").iterdir())]
    return [folder for folder in folders if folder.is_dir()]


def bare(value):
    """hcl2 keeps the quotation marks of strings and wraps expressions: returns the text itself."""
    text = str(value[0] if isinstance(value, list) and len(value) == 1 else value)
    if text.startswith("${") and text.endswith("}"):
        text = text[2:-1]
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def blocks(folder, kind):
    """The blocks of one kind in a module, as (name, content)."""
    for file in sorted(folder.glob("*.tf")):
        try:
            parsed = hcl2.loads(file.read_text())
        except Exception as error:  # noqa: BLE001 - the parser's errors have no common class
            raise Failed(f"{file.relative_to(SOURCES.parent)} cannot be parsed: {error}") from error
        for block in parsed.get(kind, []):
            for name, content in block.items():
                yield bare(name), content


def nested(block, kind):
    """The blocks inside a block."""
    found = block.get(kind, [])
    return found if isinstance(found, list) else [found]


def problems(sources=SOURCES):
    """Everything in the sources that breaks a convention."""
    for folder in modules(sources):
        at = folder.relative_to(sources.parent)
        for name, variable in blocks(folder, "variable"):
            for need in ["description", "type"]:
                if need not in variable:
                    yield f"{at}: the variable {name} has no {need}"
        for name, output in blocks(folder, "output"):
            if "description" not in output:
                yield f"{at}: the output {name} has no description"
        yield from wide_policies(folder, at)
        yield from open_groups(folder, at)


def wide_policies(folder, at):
    for kind, named in blocks(folder, "data"):
        if kind != "aws_iam_policy_document":
            continue
        for name, document in named.items():
            inner = [content for dynamic in nested(document, "dynamic") for content in dynamic_contents(dynamic)]
            for statement in [*nested(document, "statement"), *inner]:
                if bare(statement.get("effect", "Allow")) == "Deny":
                    continue
                for action in re.findall(r"[a-z0-9-]+:[A-Za-z*]+|(?<=\")\*(?=\")", str(statement.get("actions", ""))):
                    if WIDE_ACTION.search(action) and action not in WIDE_ALLOWED:
                        yield f"{at}: the policy {bare(name)} allows {action}: name each action"


def dynamic_contents(dynamic):
    for content in dynamic.values():
        yield from nested(content, "content") if isinstance(content, dict) else []


def open_groups(folder, at):
    for kind, named in blocks(folder, "resource"):
        if kind not in ("aws_vpc_security_group_ingress_rule", "aws_security_group_rule", "aws_security_group"):
            continue
        for name, rule in named.items():
            if "0.0.0.0/0" in str(rule) or "::/0" in str(rule):
                yield f"{at}: {kind} {bare(name)} lets in everybody: name a security group instead"


def check():
    found = list(problems())
    if found:
        raise Failed("\n".join(found))
