"""The table of costs in the README: its sums are right, and it counts what the examples make."""

import re

from tools import ROOT, SOURCES, Failed

# What is counted, by the word of the table and the beginning of the addresses.
COUNTED = {
    "interface endpoints": r"aws_vpc_endpoint\.interface",
    "secrets": r"aws_secretsmanager_secret\.",
    "alarms": r"aws_cloudwatch_metric_alarm\.",
}


def problems():
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in (SOURCES / "README.md").read_text().splitlines() if line.startswith("| ")]
    rows = rows[next(index for index, row in enumerate(rows) if row[0].startswith("engine") and "t2.micro" in row[1]):]
    rows = rows[:next(index for index, row in enumerate(rows) if row[0] == "**sum**") + 1]
    for name, text, cost in ("smallest", 1, 2), ("complete", 3, 4):
        *costs, told = [float(row[cost].strip("*")) for row in rows]
        if abs(sum(costs) - told) > 0.001:
            yield f"the costs of {name} sum up to {sum(costs):.2f}, not {told}"
        made = (ROOT / "tests/terraform/snapshots" / f"{name}.txt").read_text()
        for word, address in COUNTED.items():
            number = len(re.findall(rf"^\S*{address}", made, re.MULTILINE))
            if not any(f"{number} {word}" in row[text] for row in rows):
                yield f"the costs of {name} do not count {number} {word}"


def check():
    if found := list(problems()):
        raise Failed("\n".join(found))
