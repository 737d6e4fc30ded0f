"""A header as the text of its row in ``dicom_metadata``: what :func:`hilum.dicom.rows.row_of` says, without a Python
value for each element on the way. Facts for selectors come out of the same walk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import groupby
from json.encoder import JSONEncoder, encode_basestring
from typing import Any

from hilum.dicom.columns import CONVERSION_FAULTS, OTHER_ELEMENTS, PRIVATE_SEQUENCE
from hilum.dicom.conversion import to_float, to_integer, to_text, to_timestamp
from hilum.dicom.facts import Fact, fact_of
from hilum.dicom.limits import FAULTS, HEADER, too_large, too_many
from hilum.dicom.rows import LONE_SURROGATE, Plan, cell, other_texts, plan_of
from hilum.dicom.scan.tables import TRANSFER_SYNTAX, Context, Form, decoder, plain
from hilum.dicom.values import TEXT

_json = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Part = str | tuple[str, str]
"""``"Keyword":value,`` or, of a repeating group, the keyword and one record of its list."""
Facts = tuple[tuple[str, Any], ...]
"""Keywords with their facts."""


class RowForm(Form):
    """Parts are fragments of JSON, each with its comma; on the outermost level each in a pair with its facts.

    A fault is ``{Tag, Keyword, Value}``, as in the column ``conversion_faults``.

    Args:
        wanted: keywords of the facts that are told; by default all.
    """

    def __init__(self, wanted: Collection[str] | None = None) -> None:
        super().__init__()
        self._wanted = wanted

    def leaf(self, tag: int, vr: str, context: Context) -> Callable[[bytes], Any]:
        plan = plan_of(tag)
        assert plan is not None
        decode = decoder(tag, vr, context)
        convert = plan.convert
        if convert is to_timestamp:
            offset = context.offset.decode("latin-1").rstrip("\0 ")
            convert = partial(to_timestamp, offset=offset)
        part = self._part(tag, plan, convert)
        if context.level == "item":
            return _quick(tag, vr, plan, convert, lambda raw: part(*decode(raw)))
        fact = fact_of(tag)
        if self._wanted is not None and plan.keyword not in self._wanted:
            fact = None

        def pair(raw: bytes) -> tuple[Part, Facts]:
            values, undecoded = decode(raw)
            return part(values, undecoded), told(fact, values)

        return _quick(tag, vr, plan, convert, pair, lambda text: told(fact, [text]))

    def _part(self, tag: int, plan: Plan, convert: Callable[[Any], Any]) -> Callable[[list[Any], str], Part]:
        before = f'"{plan.keyword}":'
        empty = "null" if plan.single else "[]"
        costly = convert not in (to_text, to_float, to_integer)

        def value(values: list[Any], undecoded: str) -> str:
            if costly and len(values) > 1:
                self.spend(len(values))
            value, fault = cell(plan, convert, values, undecoded)
            if fault is not None:
                self._fault(tag, plan.keyword, fault)
            return text_of(value)

        def part(values: list[Any], undecoded: str) -> Part:
            if plan.binary or tag == TRANSFER_SYNTAX:
                return ""
            text = value(values, undecoded) if values or undecoded else empty
            if plan.repeating:
                return plan.keyword, f'{{"Id":"{tag >> 16:04X}","Value":{text}}},'
            return f"{before}{text},"

        return part

    def _fault(self, tag: int, name: str, value: str) -> None:
        self.faults.append({"Tag": f"{PRIVATE_SEQUENCE}{tag:08X}", "Keyword": name, "Value": value})
        if len(self.faults) > FAULTS:
            raise too_many()

    def other(self, tag: int, vr: str, context: Context) -> Callable[[bytes], Any]:
        decode = decoder(tag, vr, context)
        name = f"{PRIVATE_SEQUENCE}{tag:08X}"
        before = f'{{"Tag":"{name}","Data":'

        text_in = plain(vr) if vr in TEXT else None

        def make(raw: bytes) -> str:
            if text_in is not None and (text := text_in(raw)):
                return f'{before}["{text}"]}},'
            values, undecoded = decode(raw)
            if undecoded and values:
                self._fault(tag, name, undecoded)
            return f"{before}{text_of(other_texts(values, undecoded))}}},"

        return make

    def binary(self, tag: int, vr: str) -> None:
        return None

    def sequence(self, tag: int, items: list[Any], context: Context) -> Any:
        part = f'"{_name(tag)}":[{",".join(items)}],'
        return part if context.level == "item" else (part, ())

    def item(self, parts: list[Any], others: list[Any]) -> str:
        return f"{{{_fields(parts, others)[:-1]}}}"

    def within(self, tag: int, since: int) -> None:
        for fault in self.faults[since:]:
            fault["Keyword"] = f"{_name(tag)}.{fault['Keyword']}"

    def joined(self, parts: list[Any]) -> list[Any]:
        fewer: list[tuple[Part, Facts]] = []
        for repeating, group in groupby(parts, key=lambda part: part[0].__class__ is not str):
            some = list(group)
            if repeating:
                fewer += some
            else:
                facts = tuple(fact for _, told in some for fact in told)
                fewer.append(("".join([text for text, _ in some]), facts))
        return fewer

    def joined_others(self, others: list[Any]) -> list[Any]:
        return ["".join(others)] if others else []

    def finish(self, parts: list[Any], others: list[str]) -> tuple[str, dict[str, Any]]:
        """The text of the row, and the facts; the parts are used up.

        Raises:
            UnreadableError: ``header-too-large``.
        """
        fields = [part for part, _ in parts]
        facts = dict([fact for _, told in parts for fact in told])
        if sum(map(len, fields)) + sum(map(len, others)) > HEADER:
            raise too_large()
        text = _fields(fields, others)
        del fields, parts[:], others[:]
        if self.faults:
            text += f'"{CONVERSION_FAULTS}":{text_of(self.faults)},'
        text = text[:-1]
        return f"{{{text}}}", facts


def _quick(
    tag: int,
    vr: str,
    plan: Plan,
    convert: Callable[[Any], Any],
    make: Callable[[bytes], Any],
    facts: Callable[[str], Facts] | None = None,
) -> Callable[[bytes], Any]:
    """The same as ``make``, in a shorter way for most values of text; a pair if there are to be ``facts``."""
    if vr not in TEXT or plan.sequence or plan.binary or plan.repeating or tag == TRANSFER_SYNTAX:
        return make
    text_in = plain(vr)
    before, after = (f'"{plan.keyword}":', ",") if plan.single else (f'"{plan.keyword}":[', "],")

    def quick(raw: bytes) -> Any:
        text = text_in(raw)
        if not text:
            return make(raw)
        try:
            value = f'"{text}"' if convert is to_text else text_of(convert(text))
        except ValueError:
            return make(raw)
        said = f"{before}{value}{after}"
        return said if facts is None else (said, facts(text))

    return quick


def told(fact: Fact | None, values: list[Any]) -> Facts:
    """The fact of an element, if it gives one."""
    if fact is None or not values:
        return ()
    value = fact.value(values)
    return () if value is None else ((fact.keyword, value),)


def text_of(value: Any) -> str:
    """A value as JSON, always valid UTF-8; numbers are finite."""
    if value.__class__ is str:
        text: str = encode_basestring(value)
    elif value.__class__ is int or value.__class__ is float:
        return repr(value)
    else:
        text = _json(value)
    return text if text.isascii() else LONE_SURROGATE.sub("\ufffd", text)


def _fields(parts: list[Any], others: list[str]) -> str:
    try:
        text = "".join(parts)
    except TypeError:  # some are of repeating groups
        text = "".join([part for part in parts if part.__class__ is str])
        records: dict[str, str] = {}
        for keyword, record in (part for part in parts if part.__class__ is not str):
            records[keyword] = records.get(keyword, "") + record
        text += "".join(f'"{keyword}":[{record[:-1]}],' for keyword, record in records.items())
    return f'{text}"{OTHER_ELEMENTS}":[{"".join(others)[:-1]}],' if others else text


def _name(tag: int) -> str:
    """The column of a sequence."""
    plan = plan_of(tag)
    return plan.keyword if plan is not None and plan.sequence else f"{PRIVATE_SEQUENCE}{tag:08X}"
