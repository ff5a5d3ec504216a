"""Compares every argument with the bindings of version 6 of the provider.

The provider that the other checks use is of version 5. The bindings are a Python package that has a class for each resource and
each block, so they say which arguments there are without the provider.
"""

import re
import zipfile

from sources import bare, blocks, modules
from tools import ROOT, SOURCES, Failed

FOLDER = ROOT / "target/provider-6"
# What every block may have, whatever the provider says.
GENERAL = {"count", "for_each", "depends_on", "lifecycle", "provider", "dynamic"}
CLASS = re.compile(r"^class (\w+)\b(?:(?!^class ).)*?^    def __init__\((.*?)\) -> None:", re.MULTILINE | re.DOTALL)
PARAMETER = re.compile(r"(?:^        |\*, )(\w+): ", re.MULTILINE)


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


class Bindings:
    def __init__(self):
        wheels = sorted(FOLDER.glob("*.whl"))
        if not wheels:
            raise Failed(f"the bindings of version 6 are not in {FOLDER}: run tests/terraform/setup")
        self.wheel = zipfile.ZipFile(wheels[-1])

    def classes(self, kind):
        """The parameters of each class that belongs to a resource or a data source."""
        try:
            text = self.wheel.read(f"cdktn_provider_aws/{kind}/__init__.py").decode()
        except KeyError:
            return {}
        return {name: set(PARAMETER.findall(parameters)) for name, parameters in CLASS.findall(text)}


def unknown(content, name, classes):
    """The arguments of a block, and of the blocks in it, that the classes do not have."""
    # A resource whose name a block of another resource has, too, is called …A.
    known = classes.get(name, classes.get(f"{name}A"))
    if known is None:
        yield f"(the block {name})"
        return
    # Python's own words have an underscore behind them in the bindings.
    known = known | {parameter.rstrip("_") for parameter in known}
    for key, value in content.items():
        if key.startswith("__") or key in GENERAL:
            continue
        if key not in known:
            yield key
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and inner.get("__is_block__"):
                yield from unknown(inner, name + camel(key), classes)
    for dynamic in content.get("dynamic", []):
        for key, block in dynamic.items():
            if isinstance(block, dict):
                for inner in block.get("content", []):
                    yield from unknown(inner, name + camel(bare(key)), classes)


def check():
    bindings, found, seen = Bindings(), [], 0
    for folder in modules():
        for kind, prefix in [("resource", ""), ("data", "data_aws_")]:
            for name, named in blocks(folder, kind):
                # Terraform itself has a few resources, such as terraform_data.
                if not name.startswith("aws_"):
                    continue
                own = prefix + name.removeprefix("aws_")
                classes = bindings.classes(own)
                for address, content in named.items():
                    seen += 1
                    for argument in unknown(content, camel(own), classes):
                        found.append(f"{folder.relative_to(SOURCES.parent)}: {name}.{bare(address)}: version 6 has no {argument}")
    if not seen:
        raise Failed("no resource was compared with version 6")
    if found:
        raise Failed("\n".join(found))
