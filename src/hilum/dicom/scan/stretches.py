"""Stretches: runs of elements that instances of a series have in common, byte for byte.

Nearly all of a header is the same from slice to slice, so what lies between the few elements that change is compared
as one string and taken over as it was. Stretches are learnt from two headers that were walked element by element, and
only while there is something to learn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hilum.dicom.scan.tables import Form, Memo, Rule, Table

LONGEST = 1 << 20
"""Bytes of an object that is learnt from; where it is a file, it is a window on it that did not have to grow."""
FEWEST = 2
"""Elements in a stretch; one is as quickly walked."""
KEPT = 4
"""Stretches that begin with the same element."""
FAMILIAR = 40
"""Elements walked one by one that are no reason to learn."""
EAGER, SOMETIMES = 8, 16
"""Where there seems to be nothing to learn after so many headers, it is tried at one in so many."""


class Stretch(NamedTuple):
    """Bytes of several elements, and what they became.

    Attributes:
        elements: how many. last: the tag of the last one.
        table: the one in force behind them. values: of those that say what others mean.
        parts, others: of the form, which may have joined several to one.
    """

    raw: bytes
    elements: int
    last: int
    table: Table
    values: dict[int, bytes]
    parts: list[Any]
    others: list[Any]


class Step(NamedTuple):
    """An element that was walked by itself: where it began, and how many parts and faults there were before it.

    Attributes:
        table: the one in force there. begins: what remembers stretches that begin with it.
    """

    position: int
    parts: int
    others: int
    faults: int
    table: Table
    begins: Memo | Rule


@dataclass
class Lessons:
    """What was seen of the last header that was traced, and whether the next one should be."""

    before: dict[tuple[int, int], bytes] = field(default_factory=dict)
    unfamiliar: int = 0

    @property
    def wanted(self) -> bool:
        """Whether to trace the next header."""
        return 0 < self.unfamiliar <= EAGER or self.unfamiliar % SOMETIMES == 1

    def counted(self, walked: int) -> None:
        """So many elements of a header were walked one by one."""
        self.unfamiliar = self.unfamiliar + 1 if walked > FAMILIAR else 0

    def learn(
        self,
        data: bytes,
        steps: list[Step | None],
        values: dict[int, bytes],
        parts: list[Any],
        others: list[Any],
    ) -> int:
        """Make stretches of what this header has in common with the one before; the bytes that they hold.

        Args:
            steps: in order; None where the header was not walked one by one.
            values: of elements that say what others mean.
        """
        raws: dict[tuple[int, int], bytes] = {}
        run: list[Step] = []
        held = 0
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            if step is not None and after is not None and step.faults == after.faults:
                place = step.begins.tag, id(step.table)
                raw = raws[place] = data[step.position : after.position]
                if self.before.get(place) == raw:
                    run.append(step)
                    continue
            held += _keep(data, run, step, values, parts, others)
            run = []
        self.before = raws
        return held


def _keep(
    data: bytes,
    run: list[Step],
    end: Step | None,
    values: dict[int, bytes],
    parts: list[Any],
    others: list[Any],
) -> int:
    if len(run) < FEWEST or end is None:
        return 0
    first, tags = run[0], [step.begins.tag for step in run]
    raw = data[first.position : end.position]
    form: Form = first.table.form
    stretch = Stretch(
        raw,
        len(run),
        tags[-1],
        end.table,
        {tag: values[tag] for tag in tags if tag in values},
        form.joined(parts[first.parts : end.parts]),
        [] if form.mixed else form.joined_others(others[first.others : end.others]),
    )
    first.begins.stretches.insert(0, stretch)
    del first.begins.stretches[KEPT:]
    return 3 * len(raw)
