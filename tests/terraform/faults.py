"""Faults that are planted into a copy of the sources, to see that a check finds each of them."""

import sources
import tools
from tools import Failed

# (title, file, the text, the text with the fault, the check that must find it, a word of what it says)
FAULTS = [
    (
        "a resource misspelt",
        "modules/topic/main.tf",
        'resource "aws_sns_topic" "this"',
        'resource "aws_sns_topik" "this"',
        "validate",
        "aws_sns_topik",
    ),
    (
        "an argument missing",
        "modules/definitions/main.tf",
        '  key          = "values.json"\n',
        "",
        "validate",
        "key",
    ),
    (
        "a policy too wide",
        "modules/worker/security.tf",
        '    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]\n',
        '    actions   = ["s3:*"]\n',
        "conventions",
        "s3:*",
    ),
    (
        "an open security group",
        "modules/engine/security.tf",
        "  referenced_security_group_id = each.value\n",
        '  cidr_ipv4                    = "0.0.0.0/0"\n',
        "conventions",
        "everybody",
    ),
]


def planted(fault):
    title, file, text, broken, _, _ = fault
    copy = tools.copy(f"fault-{title.replace(' ', '-')}") / "terraform"
    source = (copy / file).read_text()
    if source.count(text) != 1:
        raise Failed(f"the fault `{title}` cannot be planted: its text is not once in {file}. Correct tests/terraform/faults.py")
    (copy / file).write_text(source.replace(text, broken))
    return copy


def found(fault, validate):
    """The text of the check that finds the fault."""
    copy, check = planted(fault), fault[4]
    if check == "conventions":
        return "\n".join(sources.problems(copy))
    try:
        validate(copy, tools.environment(f"fault-{fault[0].replace(' ', '-')}"))
    except Failed as problem:
        return str(problem)
    return ""


def planned(validate):
    for fault in FAULTS:
        if fault[4] == "validate" and not (tools.terraform() and tools.mirror()):
            continue

        def check(fault=fault):
            said = found(fault, validate)
            if fault[5] not in said:
                raise Failed(f"{fault[4]} does not find the planted fault: {fault[0]}. It says: {said or 'nothing'}")

        yield f"planted: {fault[0]}", check
