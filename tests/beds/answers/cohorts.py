"""Which instances, series and studies there are."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from beds.answers.reading import (
    DOE,
    answer,
    by_modality,
    by_series,
    by_uid,
    day,
    grouped,
    iso,
    number,
    of,
    phantoms,
    rows,
    size,
    text,
    the,
    z,
)


@answer
def modalities(data):
    found = [(m, len(part), len(by_series(part))) for m, part in by_modality(data).items()]
    return rows("Modality instances series", sorted(found, key=lambda row: (-row[1], row[0])))


@answer
def studies_of_a_patient(data):
    found = {
        (d.StudyInstanceUID, iso(day(d)), text(d, "StudyDescription"))
        for d in of(data, "PatientID", "98890234")
    }
    return rows(
        "StudyInstanceUID StudyDate StudyDescription", sorted(found, key=lambda r: (r[1], r[2] or ""))
    )


@answer
def double_quotes_are_text(data):
    return [{"n": sum((text(d, "Manufacturer") or "").startswith("GE") for d in of(data, "Modality", "CT"))}]


@answer
def files_and_sizes(data):
    [d] = [d for d in data if Path(d.filename).name == "CT_small.dcm"]
    return [{"name": "CT_small.dcm", "instance_size": size(d)}]


@answer
def series_sizes(data):
    found = ((uid, len(p), round(sum(map(size, p)) / 1000, 2)) for uid, p in by_series(data).items())
    return rows("SeriesInstanceUID instanceCount series_size_kB", (row for row in found if row[1] > 4))


@answer
def thin_slices(data):
    ct = by_uid(of(data, "Modality", "CT"))
    return [
        {"SOPInstanceUID": d.SOPInstanceUID}
        for d in ct
        if (number(d, "SliceThickness") is not None and number(d, "SliceThickness") < 2.5)
    ]


@answer
def curated_join(data):
    known = [d for d in data if text(d, "BodyPartExamined") and number(d, "SliceThickness") is not None]
    parts = grouped(known, lambda d: text(d, "BodyPartExamined"))
    return [
        {
            "modalities": "+".join(sorted({d.Modality for d in part})),
            "BodyPartExamined": name,
            "thinnest": min(number(d, "SliceThickness") for d in part),
            "series": len(by_series(part)),
        }
        for name, part in parts.items()
    ]


@answer
def whole_numbers_only(data):
    sent = [value for d in data if (value := text(d, "SliceThickness"))]
    return [{"whole": sum(value.isdigit() for value in sent), "numbers": len(sent)}]


@answer
def exact_numbers(data):
    sent = {Decimal(value) for d in of(data, "Modality", "CT") if (value := text(d, "SliceThickness"))}
    return [{"total": float(sum(sent))}]


@answer
def newest_of_each_patient(data):
    found = []
    for part in grouped(of(data, "PatientID", *DOE), lambda d: d.PatientID).values():
        d = min(by_uid(part), key=lambda d: -day(d).toordinal())
        found.append((d.PatientID, iso(day(d)), d.Modality, text(d, "InstanceNumber")))
    return rows("PatientID StudyDate Modality InstanceNumber", found)


@answer
def rank_of_series(data):
    sizes = {uid: len(part) for uid, part in by_series(data).items()}
    found = [(uid, n, 1 + sum(other > n for other in sizes.values())) for uid, n in sizes.items()]
    chosen = (row for row in found if row[2] <= 3)
    return rows("SeriesInstanceUID n place", sorted(chosen, key=lambda row: (row[2], row[0])))


@answer
def gaps_between_slices(data):
    places = sorted(map(z, of(data, "PatientID", "PHANTOM-1")))
    gaps = {round(b - a, 4) for a, b in pairwise(places)}
    return rows("gap", ((gap,) for gap in sorted(gaps)))


@answer
def all_but_some_columns(data):
    def latest(part):
        return iso(max((found for d in part if (found := day(d))), default=None))

    return rows("Modality latest", ((m, latest(part)) for m, part in by_modality(data).items()))


@answer
def replaced_column(data):
    found = {(d.Modality.lower(), d.Rows, d.Columns) for d in phantoms(data)}
    return rows("Modality Rows Columns", sorted(found))


@answer
def star_of_one_table(data):
    large = [(part[0].Modality, len(part)) for part in by_series(data).values() if len(part) > 6]
    return rows("Modality n", sorted(large, key=lambda row: (-row[1], row[0])))


@answer
def nulls_come_first(data):
    return rows(
        "BodyPartExamined", ((part,) for part in grouped(data, lambda d: text(d, "BodyPartExamined")))
    )


@answer
def distinct_lists(data):
    chosen = of(data, "PatientID", *DOE, "PHANTOM-1")
    patients = grouped(chosen, lambda d: d.PatientID)
    found = ((patient, sorted({d.Modality for d in part})) for patient, part in patients.items())
    return rows("PatientID modalities", found)


@answer
def lists_without_nulls(data):
    parts = by_modality(of(data, "Modality", "CT", "CR"))
    found = ((m, sorted({text(d, "KVP") for d in part if text(d, "KVP")})) for m, part in parts.items())
    return rows("Modality kvps", found)


@answer
def largest_files(data):
    found = sorted(data, key=lambda d: -size(d))[:2]
    return [{"largest": rows("Modality instance_size", ((text(d, "Modality"), size(d)) for d in found))}]


@answer
def first_of_each(data):
    found = []
    for uid, part in by_series(phantoms(data)).items():
        ordered = sorted(part, key=lambda d: int(d.InstanceNumber))
        found.append((uid, ordered[0].SOPInstanceUID, str(ordered[-1].InstanceNumber)))
    return rows("SeriesInstanceUID first last", found)


@answer
def joined_text(data):
    def line(part):
        sexes = sorted({text(d, "PatientSex") for d in part} - {None})
        dates = sorted({iso(day(d)) for d in part} - {None})
        return ",".join(sexes) or None, " ".join(dates) or None

    parts = by_modality(of(data, "Modality", "CT", "US"))
    return rows("Modality sexes dates", ((m, *line(part)) for m, part in parts.items()))


@answer
def joined_text_to_a_limit(data):
    numbers = sorted((int(d.InstanceNumber) for d in of(data, "PatientID", "PHANTOM-1")), reverse=True)
    return [{"last_three": "+".join(map(str, numbers[:3]))}]


@answer
def either_or_both(data):
    both = {d.PatientID for d in of(data, "Modality", "CT") if text(d, "PatientID")}
    both &= {d.PatientID for d in of(data, "Modality", "CR") if text(d, "PatientID")}
    return rows("PatientID", ((patient,) for patient in sorted(both | {"nobody"})))


@answer
def pivoted(data):
    patients = grouped(of(data, "PatientID", *DOE), lambda d: d.PatientID)
    return rows(
        "PatientID CT MR CR",
        ((p, *(len(of(part, "Modality", m)) for m in ("CT", "MR", "CR"))) for p, part in patients.items()),
    )


@answer
def declared(data):
    thick = (number(d, "SliceThickness") for d in of(data, "Modality", "CT"))
    return [{"n": sum(each is not None and each < 2 for each in thick)}]


@answer
def unnamed_columns(data):
    parts = by_modality(of(data, "Modality", "CT", "MR"))
    return rows("f0_ Modality f1_", ((len(p), m, max(d.Rows for d in p) + 1) for m, p in parts.items()))


@answer
def quotients(data):
    found = []
    for m, part in by_modality(data).items():
        share = sum(text(d, "BodyPartExamined") is not None for d in part) / len(part)
        segmentations = sum(bool(d.get("SegmentSequence")) for d in part)
        per = 1 / segmentations if segmentations else None
        found.append((m, share, per, len(part) // 2, len(part) % 2))
    return rows("Modality share per_segmentation half odd", found)


@answer
def logic(data):
    found = []
    for m, part in by_modality(of(data, "Modality", "CT", "MR", "US", "SR")).items():
        sides = [(d.Rows, d.Columns) for d in part if "Rows" in d]
        large = any(r > 100 for r, _ in sides) if sides else None
        square = all(r == c for r, c in sides) if sides else None
        many = "many" if len(part) > 10 else "few"
        found.append((m, large, square, many, {"CT": 1, "MR": 2}.get(m), max(len(part), 5), None))
    return rows("Modality any_large all_square how_many code at_least unknown", found)


@answer
def most_frequent(data):
    top = Counter(text(d, "Modality") for d in data).most_common(2)
    return [{"top": rows("value count", top)}]


@answer
def json_of_a_struct(data):
    d = the(data, "NM")
    return [{"json": json.dumps({"m": d.Modality, "r": d.Rows}, separators=(",", ":"))}]
