"""The schema of Terraform's Google provider, as the package cdktn-provider-google carries it: that package is
generated from the provider's own schema, and its manifest names every resource, argument, type and what is required.

The manifest is 130 MB and read once; what is kept of it is one file of JSON:

    kinds    "resource google_storage_bucket" -> shape of its arguments, and its attributes
    shapes   name -> arguments of a resource or block

An argument is ``[type, required, shape, block, many]``: ``type`` is string, number, bool, list, map or any; ``shape``
names that of a nested value; ``block`` says that it is written as a block, ``many`` that there may be several.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from beds.cache import made_once, uv

PACKAGE, VERSION = "cdktn-provider-google", "21.1.0"
PREFIX = "@cdktn/provider-google."
DOCUMENTED = re.compile(r"docs(?:/(resources|data-sources)/(\w+))?#(\w+) ")
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


@dataclass(frozen=True)
class Argument:
    """What may be given for one name."""

    type: str
    required: bool
    shape: str = ""
    block: bool = False
    many: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of resource or data source: its arguments, and what can be read of it, without underscores."""

    shape: str
    attributes: dict[str, str] = field(default_factory=dict)


class Schema:
    """The provider's schema."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.provider: str = document["provider"]
        self._document = document

    def kind(self, block: str, name: str) -> Kind | None:
        """``block`` is resource or data."""
        found = self._document["kinds"].get(f"{block} {name}")
        return Kind(**found) if found else None

    def arguments(self, shape: str) -> dict[str, Argument]:
        """What a resource or a nested block takes."""
        return {name: Argument(*each) for name, each in self._document["shapes"][shape].items()}

    def attributes(self, owner: str) -> dict[str, str]:
        """What can be read of a nested value; empty where that is not known."""
        found: dict[str, str] = self._document["attributes"].get(owner, {})
        return found


@cache
def google_schema() -> Schema:
    """The schema, made of the package at the pinned version if that was not done before."""
    place = made_once(f"{PACKAGE}-{VERSION}", _make)
    return Schema(json.loads((place / "schema.json").read_text()))


def _make(place: Path) -> None:
    unpacked = place / "package"
    uv("pip", "install", "--quiet", "--no-deps", "--target", unpacked, f"{PACKAGE}=={VERSION}")
    [archive] = unpacked.glob("cdktn_provider_google/_jsii/*.tgz")
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("package/.jsii")
        assert manifest is not None
        types = json.load(manifest)["types"]
    (place / "schema.json").write_text(json.dumps(_schema(types), separators=(",", ":")))
    shutil.rmtree(unpacked)


def _schema(types: dict[str, Any]) -> dict[str, Any]:
    shapes = {
        name.removeprefix(PREFIX): dict(_arguments(each))
        for name, each in types.items()
        if each["kind"] == "interface"
    }
    attributes = {
        name.removeprefix(PREFIX): _attributes(each)
        for name, each in types.items()
        if each["kind"] == "class" and name.endswith("OutputReference")
    }
    kinds, provider = {}, ""
    for name, each in types.items():
        base = each.get("base", "")
        if each["kind"] != "class" or base not in ("cdktn.TerraformResource", "cdktn.TerraformDataSource"):
            continue
        config = types[f"{name}Config"]
        said = [
            f"{p['docs'].get('remarks')} {p['docs'].get('summary')}" for p in config.get("properties", ())
        ]
        documented = next((found for text in said if (found := DOCUMENTED.search(text))), None)
        block = "data" if base.endswith("DataSource") else "resource"
        kind = f"google_{documented[2]}" if documented else _snake(each["name"].removeprefix("Data"))
        if documented:
            provider = documented.string.partition("hashicorp/google/")[2].partition("/")[0]
        kinds[f"{block} {kind}"] = {
            "shape": f"{name}Config".removeprefix(PREFIX),
            "attributes": {**_attributes(each), "id": ""},
        }
    return {"provider": provider, "kinds": kinds, "shapes": shapes, "attributes": attributes}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _arguments(interface: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for each in interface.get("properties", ()):
        docs = each.get("docs", {})
        documented = DOCUMENTED.search(f"{docs.get('remarks', '')} {docs.get('summary', '')}")
        if documented is None:
            continue
        kind, shape, many = _type(each["type"])
        block = bool(shape) and docs.get("summary", "").strip() == f"{documented[3]} block."
        yield documented[3], [kind, not each.get("optional", False), shape, block, many]


def _type(found: dict[str, Any]) -> tuple[str, str, bool]:
    """Type, nested shape, and whether there may be several."""
    if "primitive" in found:
        return {"boolean": "bool", "json": "any"}.get(found["primitive"], found["primitive"]), "", False
    if "union" in found:
        for each in found["union"]["types"]:
            if each.get("fqn") != "cdktn.IResolvable":
                return _type(each)
    if "collection" in found:
        _, shape, _ = _type(found["collection"]["elementtype"])
        if found["collection"]["kind"] == "map":
            return "map", "", False
        return "list", shape, True
    name = found.get("fqn", "")
    return ("object", name.removeprefix(PREFIX), False) if name.startswith(PREFIX) else ("any", "", False)


def _attributes(class_: dict[str, Any]) -> dict[str, str]:
    """What can be read, without underscores and in lower case, and of which class it is."""
    return {
        each["name"].lower(): _owner(each["type"])
        for each in class_.get("properties", ())
        if not each.get("static") and not each["name"].endswith("Input")
    }


def _owner(found: dict[str, Any]) -> str:
    name: str = found.get("fqn", "")
    if not name.startswith(PREFIX):
        return ""
    name = name.removeprefix(PREFIX)
    return f"{name.removesuffix('List')}OutputReference" if name.endswith("List") else name
