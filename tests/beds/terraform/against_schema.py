"""Resources and data sources against the provider's schema: their kind, every argument's name and type, what is
required, what is written as a block and how often, and every attribute that expressions read.

Values that only Terraform can work out are not looked at, but for variables, whose declared type counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beds.terraform.provider import META, Argument, Schema
from terraform import MARK, Block, Module, expression, is_blocks, literal, references

PRIMITIVE = ("string", "number", "bool")


def faults(module: Module, schema: Schema) -> list[str]:
    """What of a module the schema does not know, each with its place."""
    found = []
    for block in module.of("resource") + module.of("data"):
        kind = schema.kind(block.kind, block.labels[0])
        if kind is None:
            found.append(f"{block.place}: there is no {block.kind} {block.labels[0]}")
        else:
            check = _Check(module, schema, block)
            found += check.body(kind.shape, block.body, top=True)
    for block in module.blocks:
        found += [f"{block.place}: {said}" for said in _unreadable(module, schema, block)]
    return found


class _Check:
    def __init__(self, module: Module, schema: Schema, block: Block) -> None:
        self._types = {name: each.body.get("type") for name, each in module.named("variable").items()}
        self._schema = schema
        self._block = block

    def body(self, shape: str, body: dict[str, Any], *, top: bool = False, path: str = "") -> Iterator[str]:
        known = self._schema.arguments(shape)
        given = {name: value for name, value in body.items() if name != MARK}
        dynamic = _dynamic(given.pop("dynamic", []))
        for name, value in [*given.items(), *dynamic]:
            if top and name in META:
                continue
            argument = known.get(name)
            if argument is None:
                yield self._said(f"{path}{name} is no argument")
            else:
                yield from self._argument(argument, value, f"{path}{name}")
        for name, argument in known.items():
            if argument.required and name not in given and name not in dict(dynamic):
                yield self._said(f"{path}{name} is missing")

    def _argument(self, argument: Argument, value: Any, path: str) -> Iterator[str]:
        if argument.block:
            if not is_blocks(value):
                yield self._said(f"{path} is written as a block, not with =")
                return
            if len(value) > 1 and not argument.many:
                yield self._said(f"{path} may be there once")
            for each in value:
                yield from self.body(argument.shape, each, path=f"{path}.")
        elif is_blocks(value):
            yield self._said(f"{path} is given with =, not as a block")
        elif said := self._wrong_type(argument, value):
            yield self._said(f"{path} takes {argument.type}, not {said}")

    def _wrong_type(self, argument: Argument, value: Any) -> str:
        """What the value is instead of the argument's type; empty where it fits or cannot be known."""
        kind, wanted = self._kind(value), argument.type
        if not kind or wanted in ("any", "object") or kind == wanted:
            return ""
        if kind in PRIMITIVE and wanted == "string":
            return ""
        if kind == "string" and wanted in ("number", "bool") and (text := literal(value)) is not None:
            fits = (
                text.lstrip("-").replace(".", "", 1).isdigit()
                if wanted == "number"
                else text in ("true", "false")
            )
            return "" if fits else "string"
        return kind

    def _kind(self, value: Any) -> str:
        if isinstance(value, bool):
            return "bool"
        if isinstance(value, (int, float)):
            return "number"
        if isinstance(value, list):
            return "list"
        if isinstance(value, dict):
            return "map"
        code = expression(value)
        if code is None:
            return "string" if isinstance(value, str) else ""
        name = code.removeprefix("var.")
        declared = str(self._types.get(name, "")) if code.startswith("var.") else ""
        declared = declared.removeprefix("${").removesuffix("}").partition("(")[0].strip('"')
        return {"set": "list", "tuple": "list", "object": "map", "any": ""}.get(declared, declared)

    def _said(self, what: str) -> str:
        return f"{self._block.place}: {self._block.address}: {what}"


def _dynamic(blocks: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Blocks that are made for each of something, as those that they make. How many that is nobody knows here."""
    return [
        (label.strip('"'), inner["content"])
        for each in blocks
        for label, inner in each.items()
        if label != MARK
    ]


def _unreadable(module: Module, schema: Schema, block: Block) -> Iterator[str]:
    """References to attributes that a resource or data source of this module does not have."""
    for parts in references(block.body):
        kind, rest = ("data", parts[1:]) if parts[0] == "data" else ("resource", parts)
        found = schema.kind(kind, rest[0]) if rest and rest[0].startswith("google_") else None
        if found is None:
            continue
        owned = found.attributes
        for part in rest[2:]:
            if part.startswith("["):
                continue
            name = part.replace("_", "").lower()
            if owned and name not in owned:
                yield f"{'.'.join(parts)} reads {part}, which is not there"
                break
            owned = schema.attributes(owned.get(name, ""))
            if not owned:
                break
