"""Text, dates and times."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from datetime import date, datetime, timedelta

from beds.answers.reading import DOE, answer, clock, day, iso, of, rows, text, the


@answer
def part_of_text(data):
    ages = sorted({text(d, "PatientAge") for d in data} - {None})
    found = ((age, m[1] if (m := re.fullmatch(r"0*(\d+)Y", age)) else None) for age in ages)
    return rows("PatientAge years", found)


@answer
def replaced_text(data):
    sent = {text(d, "SeriesDescription") for d in data} - {None}
    chosen = (line for line in sent if "routine" in line.lower() or "axial" in line.lower())
    return rows(
        "turned", ((line,) for line in sorted({re.sub(r"(\w+)\s+(\w+)", r"\2 \1", c) for c in chosen}))
    )


@answer
def all_matches(data):
    return [{"long_parts": re.findall(r"\d{6,}", the(data, "SEG").SOPInstanceUID)}]


@answer
def pieces_of_text(data):
    pieces = (d.SOPInstanceUID.split(".") for d in data)
    found = Counter(parts[3] if len(parts) > 3 else None for parts in pieces)
    return rows("fourth n", sorted(found.items(), key=lambda item: (-item[1], item[0] or "")))


@answer
def text_functions(data):
    found = []
    for d in sorted(of(data, "Modality", "US", "NM"), key=lambda d: (d.Manufacturer, d.Modality)):
        maker = d.Manufacturer
        place = maker.find("Med") + 1
        padded = d.Modality.rjust(4, ".")
        found.append(
            (maker[:3], maker[-4:], place, f"{d.Modality}/{maker}", maker.startswith("G.E."), padded)
        )
    return rows("head tail place both dotted padded", found)


@answer
def null_in_text(data):
    unknown = sum(not (text(d, "Modality") and text(d, "BodyPartExamined")) for d in data)
    return [{"unknown": unknown, "n": len(data)}]


@answer
def formatted(data):
    found = (
        f"{d.Modality} #{int(d.InstanceNumber):04} {float(d.SliceThickness):.1f} mm"
        for d in of(data, "PatientID", "PHANTOM-1")
    )
    return rows("label", ((label,) for label in sorted(found)))


@answer
def formatted_anything(data):
    found = {
        f"{iso(day(d)) or 'NULL'}|{text(d, 'BodyPartExamined') or 'NULL'}" for d in of(data, "Modality", "MR")
    }
    return rows("label", ((label,) for label in sorted(found)))


@answer
def days_between(data):
    days = [day(d) for d in of(data, "PatientID", *DOE)]
    first, last = min(days), max(days)
    years = last.year - first.year
    months = years * 12 + last.month - first.month
    return [{"days": (last - first).days, "months": months, "years": years}]


@answer
def age_at_study(data):
    born = [(d, day(d, "PatientBirthDate")) for d in data]
    found = {(d.PatientID, day(d).year - b.year) for d, b in born if b and b.year > 1900}
    return rows("PatientID age", sorted(found))


def month_before(d: date) -> date:
    year, month = (d.year, d.month - 1) if d.month > 1 else (d.year - 1, 12)
    return date(year, month, min(d.day, calendar.monthrange(year, month)[1]))


@answer
def shifted_dates(data):
    found = []
    for d in sorted({day(d) for d in of(data, "Modality", "CT")} - {None}):
        sunday = d - timedelta(days=d.isoweekday() % 7)
        end = d.replace(day=calendar.monthrange(d.year, d.month)[1])
        shown = (d, d + timedelta(days=30), month_before(d), d.replace(day=1), sunday, end)
        found.append(tuple(map(iso, shown)))
    return rows("StudyDate later earlier month sunday month_end", found)


@answer
def weekdays(data):
    days = {day(d) for d in data} - {None}
    found = {
        (d.isoweekday() % 7 + 1, int(d.strftime("%U")), d.isocalendar().week, calendar.day_name[d.weekday()])
        for d in days
    }
    return rows("weekday week isoweek name", sorted(found, key=lambda row: (row[1], row[0])))


@answer
def parsed_dates(data):
    assert day(the(data, "NM")) is not None
    return [{"round_trip": True, "of_an_id": None, "european": "2003-06-05"}]


@answer
def dates_in_a_range(data):
    return [{"n": sum(date(2001, 1, 1) <= (day(d) or date.min) <= date(2004, 12, 31) for d in data)}]


@answer
def times(data):
    moments = [clock(d, "ContentTime") for d in of(data, "Modality", "CT", "CR")]
    found = Counter((t.strftime("%H:%M"), t.hour) for t in moments if t)
    return rows("at hour n", sorted((*at, n) for at, n in found.items()))


@answer
def moments(data):
    d = the(data, "NM")
    start, content = (datetime.combine(day(d), clock(d, k)) for k in ("StudyTime", "ContentTime"))
    whole = [moment.replace(second=0, microsecond=0) for moment in (start, content)]
    return [{"started": start.isoformat(), "minutes": int((whole[1] - whole[0]).total_seconds() // 60)}]
