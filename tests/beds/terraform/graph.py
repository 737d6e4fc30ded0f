"""The graph of references: everything that is named exists, everything that is declared is used, every input of a
module is given and known, and nothing depends on itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from terraform import MARK, Block, Module, literal, references

META = {"source", "version", "providers", "count", "for_each", "depends_on", MARK}


def faults(modules: Sequence[Module]) -> list[str]:
    """What does not hold in the modules taken together."""
    by_folder = {module.folder.resolve(): module for module in modules}
    found: list[str] = []
    for module in modules:
        found += _undeclared(module)
        found += _unused(module)
        for call in module.of("module"):
            found += _call(module, call, by_folder)
    called = {
        folder for module in modules for call in module.of("module") if (folder := _folder(module, call))
    }
    for module in modules:
        if module.folder.resolve() not in called:
            found += _cycles(module, by_folder)
            if "examples" not in module.folder.parts:
                found.append(f"{module.folder.name}: no example uses this module")
    return found


def _undeclared(module: Module) -> Iterator[str]:
    declared = {block.address for block in module.blocks} | {
        f"local.{name}" for block in module.of("locals") for name in block.body
    }
    for block in module.blocks:
        for parts in references(block.body):
            address = _address(parts)
            if address and address not in declared:
                yield f"{block.place}: {'.'.join(parts)}: there is no {address}"


def _address(parts: tuple[str, ...]) -> str:
    """What a traversal of another block names; empty where it names none."""
    if parts[0] in ("var", "local", "module"):
        return ".".join(parts[:2])
    if parts[0] == "data":
        return ".".join(parts[:3])
    return ".".join(parts[:2]) if parts[0].startswith("google_") else ""


def _unused(module: Module) -> Iterator[str]:
    used = {
        address
        for block in module.blocks
        for parts in references(block.body)
        if (address := _address(parts)) != block.address
    }
    for block in module.of("variable"):
        if block.address not in used:
            yield f"{block.place}: {block.address} is not used"
        if not {"type", "description"} <= block.body.keys():
            yield f"{block.place}: {block.address} lacks a type or a description"
    for block in module.of("locals"):
        for name in block.body:
            if name != MARK and f"local.{name}" not in used:
                yield f"{block.place}: local.{name} is not used"


def _call(module: Module, call: Block, by_folder: dict[Path, Module]) -> Iterator[str]:
    called = by_folder.get(folder) if (folder := _folder(module, call)) else None
    if called is None:
        yield f"{call.place}: {call.address}: there is no module at its source"
        return
    variables, outputs = called.named("variable"), called.named("output")
    given = call.body.keys() - META
    for name in sorted(given - variables.keys()):
        yield f"{call.place}: {call.address} has no input {name}"
    for name, variable in variables.items():
        if "default" not in variable.body and name not in given:
            yield f"{call.place}: {call.address} lacks its input {name}"
    for block in module.blocks:
        for parts in references(block.body):
            rest = [part for part in parts[2:] if not part.startswith("[")]
            if parts[:2] == ("module", call.labels[0]) and rest and rest[0] not in outputs:
                yield f"{block.place}: {call.address} has no output {rest[0]}"


def _folder(module: Module, call: Block) -> Path | None:
    source = literal(call.body.get("source"))
    return (module.folder / source).resolve() if source else None


def _cycles(root: Module, by_folder: dict[Path, Module]) -> Iterator[str]:
    graph: dict[str, set[str]] = {}
    _edges(root, "", by_folder, graph)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"{root.folder.name}: a circle: {' <- '.join(error.args[1])}"


def _edges(module: Module, prefix: str, by_folder: dict[Path, Module], graph: dict[str, set[str]]) -> None:
    """What depends on what, as Terraform sees it: inputs and outputs of modules are nodes of their own."""
    for block in module.blocks:
        if block.kind == "module":
            folder = _folder(module, block)
            inner = by_folder.get(folder) if folder else None
            within = f"{prefix}{block.address}."
            for name, value in block.body.items():
                graph.setdefault(f"{within}var.{name}", set()).update(_nodes(value, prefix))
            if inner:
                _edges(inner, within, by_folder, graph)
        elif block.kind == "locals":
            for name, value in block.body.items():
                graph.setdefault(f"{prefix}local.{name}", set()).update(_nodes(value, prefix))
        elif block.kind != "variable":
            graph.setdefault(prefix + block.address, set()).update(_nodes(block.body, prefix))


def _nodes(value: object, prefix: str) -> Iterator[str]:
    for parts in references(value):
        rest = [part for part in parts if not part.startswith("[")]
        if rest[0] == "module" and len(rest) > 2:
            yield f"{prefix}module.{rest[1]}.output.{rest[2]}"
        elif address := _address(parts):
            yield prefix + address
