"""The tables of variables and outputs in the READMEs, which are made from the sources."""

import json

from sources import bare, blocks, modules
from tools import SOURCES, Failed

BEGIN, END = "<!-- tables: made by tests/terraform/check --write -->\n", "<!-- end of tables -->\n"


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def plain(value):
    """A default as it is written in Terraform."""
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], str):
        value = value[0]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{bare(key)} = {plain(inner)}" for key, inner in value.items() if not key.startswith("__")) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(plain(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return json.dumps(value)
    return "null" if value is None else str(value)


def kind(value):
    """The first word of a type: the whole of an object would not fit into a table."""
    return bare(value).split("(")[0].strip("${} ")


def tables(folder):
    lines = []
    variables = list(blocks(folder, "variable"))
    if variables:
        lines += ["| variable | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, variable in sorted(variables):
        default = f"`{plain(variable['default'])}`" if "default" in variable else "must be given"
        lines.append(f"| `{name}` | {kind(variable['type'])} | {cell(default)} | {cell(bare(variable['description']))} |")
    outputs = list(blocks(folder, "output"))
    if outputs:
        lines += ["", "| output | meaning |", "| --- | --- |"] if lines else ["| output | meaning |", "| --- | --- |"]
    for name, output in sorted(outputs, key=lambda pair: pair[0]):
        lines.append(f"| `{name}` | {cell(bare(output['description']))} |")
    return "\n".join(lines) + "\n"


def check(write):
    for folder in modules():
        readme = folder / "README.md"
        at = readme.relative_to(SOURCES.parent)
        if not readme.exists():
            raise Failed(f"{at} is missing: say what the module is for, and leave place for its tables:\n{BEGIN}{END}")
        before, begin, rest = readme.read_text().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise Failed(f"{at} has no place for its tables. Add these lines:\n{BEGIN}{END}")
        wanted = f"{before}{BEGIN}\n{tables(folder)}\n{END}{after}"
        if wanted == readme.read_text():
            continue
        if not write:
            raise Failed(f"the tables of {at} do not fit the sources: tests/terraform/check --write")
        readme.write_text(wanted)
