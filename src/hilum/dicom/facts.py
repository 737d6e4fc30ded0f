"""Facts: the part of a header that selectors ask about, as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from hilum.dicom.columns import is_binary
from hilum.dicom.conversion import to_float, to_integer, to_text
from hilum.dicom.elements import DataElement
from hilum.dicom.standard.keywords import Element, elements

LONGEST = 256
"""Characters; a longer value is no fact. In a list a number counts eight."""

_NUMBERS: dict[str, Callable[[Any], float]] = {
    **dict.fromkeys(("DS", "FL", "FD"), to_float),
    **dict.fromkeys(("IS", "SL", "SS", "UL", "US", "SV", "UV", "AT", "US or SS"), to_integer),
}


def facts_of(header: Iterable[DataElement]) -> dict[str, Any]:
    """Keyword -> value for the standard attributes of the top level, in tag order.

    An attribute whose multiplicity is 1 in the dictionary is a scalar, any other a list, whatever this header
    holds. DS, FL and FD are floats; IS, AT and the integer VRs are ints; everything else is text as the
    header has it, dates and person names too. Left out are empty values, values of other types than the
    dictionary's, sequences, binary VRs, repeating groups and values longer than :data:`LONGEST`.
    """
    facts = {}
    for element in header:
        fact = fact_of(element.tag)
        if fact is None or not element.values or element.vr == "SQ":
            continue
        value = fact.value(element.values)
        if value is not None:
            facts[fact.keyword] = value
    return facts


class Fact(NamedTuple):
    """How an attribute becomes a fact."""

    keyword: str
    single: bool
    convert: Callable[[Any], Any]

    def value(self, values: list[Any]) -> Any:
        """The fact of a filled element; None if it is none."""
        if len(values) == 1 and values[0].__class__ is str and len(values[0]) <= LONGEST:
            try:
                value = self.convert(values[0])
            except ValueError:
                return None
            return value if self.single else [value]
        if self.single and len(values) > 1:
            if self.convert is not to_text:
                return None
            values = ["\\".join(map(to_text, values))]
        if sum(len(value) if isinstance(value, str) else 8 for value in values) > LONGEST:
            return None
        try:
            return self.convert(values[0]) if self.single else [self.convert(value) for value in values]
        except ValueError:
            return None


@lru_cache(maxsize=1 << 14)  # tags are whatever a file says
def fact_of(tag: int) -> Fact | None:
    """How the attribute becomes a fact; None where it never does."""
    element = elements().get(tag)
    if element is None or not is_fact(element):
        return None
    return Fact(element.keyword, element.single, _NUMBERS.get(element.vr, to_text))


def is_fact(element: Element) -> bool:
    """Whether an attribute can be a fact at all."""
    return element.vr != "SQ" and not is_binary(element) and not element.repeating
