"""What the warehouse holds: its tables and their columns, and the views that are ready to be asked.

Types are BigQuery's, as the Google Healthcare API's DICOM export and Imaging Data Commons use them. A table is a
history: rows are only ever added. The view under its name shows the newest row of each key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hilum.dicom.columns import CONVERSION_FAULTS, Column, columns_of
from hilum.kernel.digest import digest_bytes

ROW_ID, RECORDED_AT = "_row_id", "_recorded_at"
BATCH, SEQ, KEY = "_batch", "_seq", "_row_key"
BOOKS = (BATCH, SEQ, KEY)
"""Batch and place in it, which say what is newer; and a number for the row id, quick to join by."""
POSITION = "_position"
"""Batch and place in it as one number, 2^32 places a batch."""
HEADERS = "dicom_metadata"
RETRACTIONS = "retractions"
KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyDate", "AccessionNumber", "Modality", "StudyDescription"),
    *("SeriesDescription", "PatientName", "PatientID", "BodyPartExamined", "StudyInstanceUID"),
    *("SeriesInstanceUID", "SeriesNumber", "InstanceNumber"),
)
"""Columns of ``dicom_metadata`` that can be asked for before any header had them."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its view.

    Attributes:
        columns: those that every row may have; ``dicom_metadata`` has the keywords of its headers besides.
        key: the column of which the view shows the newest row; empty where no two rows are about the same thing.
        order: columns to sort compacted files by, so that a query can skip what it does not need.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: str = ROW_ID
    order: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """A digest of the columns that every row may have; another version of Hilum may have others."""
        return digest_bytes(repr(self.columns).encode())[:4]


@dataclass(frozen=True, slots=True)
class View:
    """A question that is asked often, over other views (``needs``)."""

    name: str
    description: str
    needs: tuple[str, ...]
    sql: str


def _columns(type_: str, names: str, repeated: bool = False) -> Iterable[Column]:
    return (Column(name, type_, repeated=repeated) for name in names.split())


def _table(
    name: str,
    description: str,
    *columns: Iterable[Column],
    key: str = ROW_ID,
    order: tuple[str, ...] = (),
) -> Table:
    envelope = (Column(ROW_ID, "STRING"), Column(RECORDED_AT, "TIMESTAMP"))
    return Table(name, description, (*envelope, *(c for group in columns for c in group)), key, order)


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            HEADERS,
            "a row an instance: its header by keyword, and where it came from",
            _columns("STRING", "FileURI FileVersion FileSHA256 FileMD5 FileCRC32C TransferSyntaxUID Source"),
            _columns("INTEGER", "FileSize"),
            _columns("TIMESTAMP", "ArrivalTime"),
            columns_of([dict.fromkeys((*KEYWORDS, CONVERSION_FAULTS))]),
            order=("Modality", "BodyPartExamined", "StudyInstanceUID", "SeriesInstanceUID"),
        ),
        _table(
            "arrivals",
            "a row an object that showed up, and what became of it",
            _columns("STRING", "uri version source outcome reason digest sop_instance_uid"),
            _columns("INTEGER", "size"),
            _columns("TIMESTAMP", "arrived_at"),
        ),
        _table(
            "runs",
            "a row a run: a pipeline on one revision of a subject",
            _columns(
                "STRING",
                "run_id pipeline spec scope subject_id subject_uid study_uid revision state reason supersedes",
            ),
            _columns("BOOLEAN", "current"),
            _columns("TIMESTAMP", "created_at finished_at"),
            key="run_id",
        ),
        _table(
            "tasks",
            "a row a step of a run, with the key of its result",
            _columns("STRING", "task_id run_id attempt_id step state task_key reason detail"),
            _columns("BOOLEAN", "reused"),
            _columns("TIMESTAMP", "started_at staged_at computed_at finished_at"),
            key="task_id",
        ),
        _table(
            "attempts",
            "a row an execution of tasks by an executor",
            _columns("STRING", "attempt_id run_id executor machine outcome reason detail failed_step"),
            _columns("STRING", "steps", repeated=True),
            _columns("INTEGER", "number exit_code max_rss"),
            _columns("FLOAT", "cpu_seconds"),
            _columns("TIMESTAMP", "started_at finished_at"),
            key="attempt_id",
        ),
        _table(
            "artifacts",
            "a row an output file",
            _columns(
                "STRING",
                "artifact_id task_key step name path digest media_type object subject_id revision "
                "SeriesInstanceUID StudyInstanceUID",
            ),
            _columns("INTEGER", "size"),
            _columns("TIMESTAMP", "created_at"),
        ),
        _table(
            "measurements",
            "a row a coded number (value) or word (text) that a step found; of all instances of its revision, where "
            "`instances` is empty",
            _columns(
                "STRING",
                "measurement_id task_key step name text concept_code concept_scheme concept_meaning unit region "
                "subject_id revision SeriesInstanceUID StudyInstanceUID",
            ),
            _columns("FLOAT", "value"),
            _columns("STRING", "instances", repeated=True),
            _columns("TIMESTAMP", "measured_at"),
        ),
        _table(
            "lineage",
            "a row a thing that a task read or wrote (direction: input, output)",
            _columns("STRING", "task_key direction kind id digest name"),
        ),
        _table(
            "revisions",
            "a row an instance of a revision: which bytes it had, and where they were",
            _columns("STRING", "revision subject_id SOPInstanceUID digest uri"),
        ),
        _table(
            "task_results",
            "a row a task key: the code, parameters, attempt and machine that it was computed by",
            _columns("STRING", "task_key step code image parameters revision attempt machine"),
            _columns("TIMESTAMP", "started_at finished_at"),
        ),
        _table(
            "quarantine",
            "a row an object that was refused, why, and what was decided",
            _columns(
                "STRING", "quarantine_id uri reason detail digest known_digest sop_instance_uid decision"
            ),
            _columns("TIMESTAMP", "quarantined_at released_at"),
            key="quarantine_id",
        ),
        _table(
            "audit",
            "a row a thing that a person or Hilum itself decided or released: who, when, what by id and digest",
            _columns("STRING", "audit_id action actor_kind actor what digest"),
            _columns("INTEGER", "count"),
            _columns("TIMESTAMP", "acted_at"),
        ),
        _table(
            RETRACTIONS,
            "a row a row of another table that no longer counts: its view leaves it out for good",
            _columns("STRING", "table_name row_id reason"),
            _columns("TIMESTAMP", "at"),
            key="",
        ),
    )
}

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(
            "series",
            "a row a series: what it is, how many instances and bytes it has",
            (HEADERS,),
            """
            SELECT StudyInstanceUID, SeriesInstanceUID, any_value(PatientID) AS PatientID,
                any_value(Modality) AS Modality, any_value(BodyPartExamined) AS BodyPartExamined,
                any_value(SeriesNumber) AS SeriesNumber, any_value(SeriesDescription) AS SeriesDescription,
                count(*) AS instances, sum(FileSize)::BIGINT AS bytes, max(ArrivalTime) AS last_arrival
            FROM dicom_metadata GROUP BY StudyInstanceUID, SeriesInstanceUID
            """,
        ),
        View(
            "studies",
            "a row a study: its patient, date, modalities, series, instances and bytes",
            (HEADERS,),
            """
            SELECT StudyInstanceUID, any_value(PatientID) AS PatientID, any_value(StudyDate) AS StudyDate,
                any_value(StudyDescription) AS StudyDescription, list_sort(list(DISTINCT Modality)) AS modalities,
                count(DISTINCT SeriesInstanceUID) AS series, count(*) AS instances,
                sum(FileSize)::BIGINT AS bytes, max(ArrivalTime) AS last_arrival
            FROM dicom_metadata GROUP BY StudyInstanceUID
            """,
        ),
        View(
            "current_measurements",
            "measurements of runs that succeeded and that no newer run superseded",
            ("measurements", "tasks", "runs"),
            """
            SELECT r.pipeline, r.run_id, m.* FROM measurements m
            JOIN tasks t ON t.task_key = m.task_key JOIN runs r ON r.run_id = t.run_id
            WHERE r."current" AND r.state = 'succeeded' AND t.state = 'succeeded'
            """,
        ),
    )
}
