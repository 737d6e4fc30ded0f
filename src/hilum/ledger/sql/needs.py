"""What steps were found to need: a step that ran out of memory on something large is given more at once the next time
something as large comes. Inputs are as large as each other where their numbers of instances have as many bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, insert, select

from hilum.kernel.digest import digest_json
from hilum.ledger import schema
from hilum.model.work import StepPlan

_needs = schema.memory_needs.c
_among: BindParameter[Any] = bindparam("ids", expanding=True)
KNOWN = select(schema.memory_needs).where(_needs.code.in_(_among))
ANY = select(_needs.code).limit(1)
SIZES = select(schema.subjects.c.id, schema.subjects.c.instances).where(schema.subjects.c.id.in_(_among))
FORGET = delete(schema.memory_needs).where(
    _needs.code == bindparam("of"), _needs.size == bindparam("as_large")
)
MOST = func.max(_needs.memory)


def remember(connection: Connection, found: Iterable[tuple[StepPlan, str, int]]) -> None:
    """Keep what steps needed: (step, subject id, bytes)."""
    for step, subject_id, memory in found:
        size = _sizes(connection, [subject_id]).get(subject_id, 0)
        key = {"of": code_of(step), "as_large": size}
        query = select(MOST).where(_needs.code == key["of"], _needs.size == size)
        before = connection.execute(query).scalar() or 0
        connection.execute(FORGET, key)
        values = {"code": key["of"], "size": size, "memory": max(memory, before)}
        connection.execute(insert(schema.memory_needs), values)


def needed(
    connection: Connection, claimed: Mapping[str, tuple[Sequence[StepPlan], str]]
) -> dict[str, dict[str, int]]:
    """Bytes to give beyond plans, by segment and step.

    Args:
        claimed: steps and subject id by segment.
    """
    if not claimed or connection.execute(ANY).first() is None:
        return {}
    codes = {code_of(step) for steps, _ in claimed.values() for step in steps}
    rows: dict[tuple[str, int], int] = {
        (row.code, row.size): row.memory for row in connection.execute(KNOWN, {"ids": sorted(codes)})
    }
    if not rows:
        return {}
    sizes = _sizes(connection, sorted({subject_id for _, subject_id in claimed.values()}))
    found: dict[str, dict[str, int]] = {}
    for segment, (steps, subject_id) in claimed.items():
        known: dict[str, Any] = {
            step.name: rows.get((code_of(step), sizes.get(subject_id, 0))) for step in steps
        }
        found[segment] = {name: memory for name, memory in known.items() if memory}
    return found


def code_of(step: StepPlan) -> str:
    """What is remembered by: the step's code, and its parameters, which may ask for as much."""
    return digest_json({"code": dict(step.code), "parameters": dict(step.parameters)})


def _sizes(connection: Connection, subject_ids: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(SIZES, {"ids": subject_ids})
    return {row.id: int(row.instances).bit_length() for row in rows}
