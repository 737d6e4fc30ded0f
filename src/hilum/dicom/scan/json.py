"""A header as text in the DICOM JSON model (PS3.18 F), for those who speak DICOMweb.

Numbers are JSON numbers where the text of a DS or IS is one. Binary values are inline in base64.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from hilum.dicom.conversion import to_float, to_integer
from hilum.dicom.scan.row import text_of
from hilum.dicom.scan.tables import Context, Form, decoder, plain
from hilum.dicom.values import BINARY, TEXT

COSTS = {"PN": 1, "DS": 1 / 8, "IS": 1 / 8}
"""What one of several values counts towards what takes much longer than it is long."""
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class JsonForm(Form):
    """Parts are fragments of JSON, each with its comma. File meta information and group lengths are not part of the
    model (PS3.18 F.2.2)."""

    reads_binary = True
    mixed = True

    def leaf(self, tag: int, vr: str, context: Context) -> Callable[[bytes], str]:
        if context.level == "meta" or not tag & 0xFFFF:
            return lambda raw: ""
        before = f'"{tag:08X}":{{"vr":"{vr}"'
        decode, say = decoder(tag, vr, context), _SAY.get(vr, _plain)
        costs = COSTS.get(vr, 0)

        def make(raw: bytes) -> str:
            if not raw:
                return f"{before}}},"
            if vr in BINARY:
                return f'{before},"InlineBinary":"{b64encode(raw).decode()}"}},'
            values, undecoded = decode(raw)
            if undecoded and not values:
                return f'"{tag:08X}":{{"vr":"UN","InlineBinary":"{b64encode(raw).decode()}"}},'
            if not values:
                return f"{before}}},"
            if costs and len(values) > 1:
                self.spend(int(costs * len(values)))
            return f'{before},"Value":{text_of([say(value) for value in values])}}},'

        if vr not in TEXT or say is _name:
            return make
        text_in = plain(vr)

        def quick(raw: bytes) -> str:
            text = text_in(raw)
            if not text:
                return make(raw)
            value = f'"{text}"' if say is _plain else text_of(say(text))
            return f'{before},"Value":[{value}]}},'

        return quick

    other = leaf

    def binary(self, tag: int, vr: str) -> None:
        return None

    def sequence(self, tag: int, items: list[Any], context: Context) -> str:
        value = f',"Value":[{",".join(items)}]' if items else ""
        return f'"{tag:08X}":{{"vr":"SQ"{value}}},'

    def item(self, parts: list[Any], others: list[Any]) -> str:
        return f"{{{''.join(parts)[:-1]}}}"


def _plain(value: Any) -> Any:
    return None if value == "" else value


def _float(value: Any) -> Any:
    try:
        return to_float(value)
    except ValueError:  # infinite or not a number, or text that is neither: PS3.18 F.2.3 lets DS be text
        return _plain(str(value))


def _integer(value: Any) -> Any:
    try:
        return to_integer(value)
    except ValueError:
        return _plain(str(value))


def _name(value: str) -> dict[str, str] | None:
    return {group: text for group, text in zip(GROUPS, value.split("="), strict=False) if text} or None


_SAY: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("DS", "FD", "FL"), _float),
    "IS": _integer,
    "AT": lambda tag: f"{tag:08X}",
    "PN": _name,
}
