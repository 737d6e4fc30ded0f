"""Attributes of several values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from beds.answers.reading import answer, by_modality, by_uid, of, rows, text, texts, the


@answer
def first_and_second_value(data):
    found = [(d.SOPInstanceUID, *texts(d, "PixelSpacing")) for d in by_uid(data)]
    uneven = [row for row in found if len(row) == 3 and row[1] != row[2]]
    return rows("SOPInstanceUID row_mm column_mm again none", ((*row, row[1], None) for row in uneven))


@answer
def last_value(data):
    found = Counter(texts(d, "ImageType")[-1] for d in data if texts(d, "ImageType"))
    return rows("last n", sorted(found.items()))


@answer
def localizers(data):
    found = {
        d.SeriesInstanceUID
        for d in data
        if any(t == "LOCALIZER" or "MIP" in t for t in texts(d, "ImageType"))
    }
    return rows("SeriesInstanceUID", ((uid,) for uid in sorted(found)))


@answer
def in_unnest(data):
    found = Counter(text(d, "Modality") for d in data if "DERIVED" in texts(d, "ImageType"))
    return rows("Modality n", sorted(found.items()))


@answer
def exists_in_array(data):
    return [
        {"SOPInstanceUID": d.SOPInstanceUID}
        for d in data
        if any(t.startswith("MPR") for t in texts(d, "ImageType"))
    ]


@answer
def values_with_their_places(data):
    places = Counter(each for d in of(data, "Modality", "CT") for each in enumerate(texts(d, "ImageType")))
    return rows("o value n", sorted((*place, n) for place, n in places.items()))


@answer
def offset_by_its_own_name(data):
    [d] = [d for d in data if Path(d.filename).name == "CT_small.dcm"]
    return rows("value offset", ((value, place) for place, value in enumerate(texts(d, "ImageType"))))


@answer
def left_join_unnest(data):
    def counts(part):
        types = [texts(d, "ImageType") for d in part]
        return sum(max(1, len(each)) for each in types), sum(not each for each in types)

    return rows("Modality rows_ without", ((m, *counts(part)) for m, part in by_modality(data).items()))


@answer
def array_to_string(data):
    found = Counter("/".join(texts(d, "ImageType")) for d in of(data, "Modality", "MR"))
    return rows("image_type n", sorted(found.items(), key=lambda item: (-item[1], item[0])))


@answer
def vectors_from_arrays(data):
    slices = sorted(of(data, "PatientID", "PHANTOM-1"), key=lambda d: int(d.InstanceNumber))
    return rows(
        "InstanceNumber column_direction",
        ((text(d, "InstanceNumber"), [float(v) for v in d.ImageOrientationPatient[3:]]) for d in slices),
    )


@answer
def array_subquery(data):
    chosen = by_uid(of(data, "Modality", "NM", "OT", "US"))
    return rows(
        "SOPInstanceUID short",
        ((d.SOPInstanceUID, sorted(t.upper() for t in texts(d, "ImageType") if len(t) < 6)) for d in chosen),
    )


@answer
def array_of_structs(data):
    kinds = texts(the(data, "NM"), "ImageType")
    return [{"parts": [{"value": value, "place": place} for place, value in enumerate(kinds)]}]
