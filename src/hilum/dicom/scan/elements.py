"""A header as a list of decoded elements, the form that everything else can be made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hilum.dicom.elements import DataElement
from hilum.dicom.scan.tables import Context, Form, decoder, plain
from hilum.dicom.values import TEXT


class ElementForm(Form):
    """Parts are :class:`DataElement`; remembered ones are shared, so they are not to be changed."""

    mixed = True

    def leaf(self, tag: int, vr: str, context: Context) -> Callable[[bytes], Any]:
        decode = decoder(tag, vr, context)
        if vr not in TEXT:
            return lambda raw: DataElement(tag, vr, *decode(raw))
        text_of = plain(vr)

        def make(raw: bytes) -> DataElement:
            text = text_of(raw)
            return DataElement(tag, vr, [text]) if text else DataElement(tag, vr, *decode(raw))

        return make

    other = leaf

    def binary(self, tag: int, vr: str) -> DataElement:
        return DataElement(tag, vr, [])

    def sequence(self, tag: int, items: list[Any], context: Context) -> DataElement:
        return DataElement(tag, "SQ", items)

    def item(self, parts: list[Any], others: list[Any]) -> list[DataElement]:
        return parts
