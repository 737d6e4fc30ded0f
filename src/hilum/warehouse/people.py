"""Views that answer what people ask most: how long, what failed and why, which scanner, what it cost, what was found.

They are written in DuckDB's SQL and translated for BigQuery, so they use only what both mean alike. Seconds are wall
time unless they say otherwise.
"""

from __future__ import annotations

from hilum.warehouse.tables import HEADERS, View


def _seconds(start: str, end: str) -> str:
    return f"(date_diff('microsecond', {start}, {end}) / 1000000.0)"


PEOPLE: dict[str, View] = {
    view.name: view
    for view in (
        View(
            "step_latency",
            "a row a step of a pipeline: how long tasks waited after their run began, and took; reused ones aside",
            ("runs", "tasks"),
            f"""
            SELECT r.pipeline, t.step, count(*) AS tasks,
                avg({_seconds("r.created_at", "t.started_at")}) AS mean_wait_seconds,
                avg({_seconds("t.started_at", "t.finished_at")}) AS mean_seconds,
                max({_seconds("t.started_at", "t.finished_at")}) AS most_seconds
            FROM tasks t JOIN runs r ON r.run_id = t.run_id
            WHERE t.finished_at IS NOT NULL AND t.started_at IS NOT NULL AND NOT coalesce(t.reused, false)
            GROUP BY r.pipeline, t.step
            """,
        ),
        View(
            "failures",
            "a row a reason why tasks of a step are dead, with how many, in how many runs, and when last",
            ("runs", "tasks"),
            """
            SELECT r.pipeline, t.step, t.reason, count(*) AS tasks, count(DISTINCT t.run_id) AS runs,
                max(t.finished_at) AS last_at
            FROM tasks t JOIN runs r ON r.run_id = t.run_id
            WHERE t.state = 'dead' GROUP BY r.pipeline, t.step, t.reason
            """,
        ),
        View(
            "scanner_throughput",
            "a row a model of scanner: series, instances and bytes that came from it, from when to when",
            (HEADERS,),
            """
            SELECT Manufacturer, ManufacturerModelName, Modality, count(DISTINCT SeriesInstanceUID) AS series,
                count(*) AS instances, sum(FileSize)::BIGINT AS bytes,
                min(ArrivalTime) AS first_arrival, max(ArrivalTime) AS last_arrival
            FROM dicom_metadata GROUP BY Manufacturer, ManufacturerModelName, Modality
            """,
        ),
        View(
            "pipeline_cost",
            "a row a pipeline and executor: attempts, their wall and processor seconds, most memory in bytes",
            ("runs", "attempts"),
            f"""
            SELECT r.pipeline, a.executor, count(DISTINCT r.run_id) AS runs, count(*) AS attempts,
                sum({_seconds("a.started_at", "a.finished_at")}) AS wall_seconds,
                sum(a.cpu_seconds) AS cpu_seconds, max(a.max_rss) AS most_memory
            FROM attempts a JOIN runs r ON r.run_id = a.run_id GROUP BY r.pipeline, a.executor
            """,
        ),
        View(
            "findings_by_site",
            "a row a site and a thing that the step qc found: in how many series, and the range of its numbers",
            (HEADERS, "measurements"),
            """
            SELECT h.InstitutionName, m.name, m.text, count(DISTINCT m.SeriesInstanceUID) AS series,
                min(m.value) AS least, avg(m.value) AS mean, max(m.value) AS most
            FROM measurements m JOIN (
                SELECT SeriesInstanceUID, any_value(InstitutionName) AS InstitutionName
                FROM dicom_metadata GROUP BY SeriesInstanceUID
            ) h ON h.SeriesInstanceUID = m.SeriesInstanceUID
            WHERE m.step = 'qc' GROUP BY h.InstitutionName, m.name, m.text
            """,
        ),
        View(
            "measurement_lineage",
            "a row a measurement and an instance that it came from: step, code, parameters, and the header's columns",
            (HEADERS, "measurements", "revisions", "task_results"),
            """
            SELECT m.measurement_id, m.name, m.value, m.text, m.unit, m.region, m.task_key, t.step, t.code,
                t.parameters, t.attempt, v.revision, v.SOPInstanceUID, v.digest, h.FileURI, h.PatientID,
                h.StudyDate, h.Modality, h.Manufacturer, h.ManufacturerModelName, h.SeriesInstanceUID
            FROM measurements m JOIN task_results t ON t.task_key = m.task_key
            JOIN revisions v ON v.revision = t.revision AND v.subject_id = m.subject_id
            LEFT JOIN dicom_metadata h ON h.SOPInstanceUID = v.SOPInstanceUID
            """,
        ),
        View(
            "audit_trail",
            "a row a thing that somebody did, with who and when, in words that are easy to filter",
            ("audit",),
            """
            SELECT acted_at, actor_kind, actor, action, what, "count", digest, audit_id FROM audit
            """,
        ),
    )
}
