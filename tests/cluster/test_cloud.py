"""Everything at once, as it is deployed: files in a bucket, events, a function that reads headers, an engine with its
ledger in PostgreSQL, a pod for each step that is an image, artifacts in a bucket, rows in BigQuery. Once undisturbed,
once with all that goes wrong in the field; the warehouse has to say the same.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest

import hilum
from beds.bigquery import Served
from beds.clouds import Deployment, Outage, Servers, deployed, thrice_and_shuffled
from beds.cluster.cluster import Cluster
from beds.docker_engine import docker_engine_running
from beds.engines import wait_until
from beds.faults import Fault, Held, Refused, Request
from beds.functions import Function
from beds.gcs import CloudStorage
from beds.images import Image, docker_archive
from beds.pubsub import Lane
from beds.real import real_series
from hilum.dicom.phantom import chest_ct, mr_series

INSTANCES, SERIES = 300, 4
REAL = ("dicomdirtests/98892001/CT5N/2062", "dicomdirtests/98892003/MR700/4467")
SEED = os.environ.get("HILUM_SEED", "cloud")

COUNT = """\
#!/usr/bin/python3
import json, os, pathlib
context = json.loads(pathlib.Path(os.environ["HILUM_CONTEXT"]).read_text())
given, out = pathlib.Path(os.environ["HILUM_IN"]), pathlib.Path(os.environ["HILUM_OUT"])
sizes = {each["sop_instance_uid"]: (given / each["path"]).stat().st_size for each in context["instances"]}
(out / "sizes.txt").write_text("".join(f"{uid} {size}\\n" for uid, size in sorted(sizes.items())))
(out / "measurements.json").write_text(json.dumps([{"name": "bytes", "value": sum(sizes.values())}]))
"""
IMAGE = Image("bed/count:1", {"/step": COUNT}, entrypoint=["/step"])
PIPELINE = """
name: cloud
settle: {{quiet: 6s}}
steps:
  qc: {{uses: qc}}
  intensity: {{uses: intensity}}
  count:
    image: "bed/count@{digest}"
    pull: never
    needs: [qc]
    outputs: {{sizes: sizes.txt}}
    measurements: {{bytes: {{kind: integer, unit: By}}}}
"""

NEWEST = "task_key IN (SELECT t.task_key FROM tasks t JOIN runs r ON r.run_id = t.run_id WHERE r.`current`)"
SAME_ANYWHERE = {
    "series": """
        SELECT SeriesInstanceUID, Modality, BodyPartExamined, COUNT(*) AS instances, SUM(FileSize) AS bytes
        FROM dicom_metadata GROUP BY SeriesInstanceUID, Modality, BodyPartExamined ORDER BY SeriesInstanceUID
    """,
    "instances": """
        SELECT SOPInstanceUID, SOPClassUID, `Rows`, `Columns`, FileSize FROM dicom_metadata ORDER BY SOPInstanceUID
    """,
    "measurements": f"""
        SELECT SeriesInstanceUID, step, name, unit, region, ROUND(value, 6) AS value, text
        FROM measurements WHERE {NEWEST} ORDER BY 1, 2, 3, 5, 4, 6, 7
    """,
    "artifacts": f"""
        SELECT SeriesInstanceUID, step, name, path, digest, size
        FROM artifacts WHERE {NEWEST} ORDER BY 1, 2, 3, 4
    """,
    "runs": "SELECT pipeline, scope, subject_uid, state FROM runs WHERE `current` ORDER BY subject_uid",
    "lineage": f"""
        SELECT direction, kind, COUNT(*) AS things FROM lineage WHERE {NEWEST}
        GROUP BY direction, kind ORDER BY direction, kind
    """,
}
"""Questions whose answers do not depend on where the instances lie."""
SAME_IN_THE_CLOUD = {
    "digests": "SELECT SOPInstanceUID, FileMD5, FileCRC32C FROM dicom_metadata ORDER BY SOPInstanceUID",
    "runs' revisions": "SELECT run_id, subject_id, revision FROM runs WHERE `current` ORDER BY run_id",
    "tasks": f"SELECT step, task_key, state, reason FROM tasks WHERE {NEWEST} ORDER BY task_key",
    "revisions": """
        SELECT DISTINCT revision, SOPInstanceUID, digest FROM revisions
        WHERE revision IN (SELECT revision FROM runs WHERE `current`) ORDER BY revision, SOPInstanceUID
    """,
    "doubled": "SELECT SOPInstanceUID FROM dicom_metadata GROUP BY SOPInstanceUID HAVING COUNT(*) > 1",
}
QUESTIONS = SAME_ANYWHERE | SAME_IN_THE_CLOUD
Answers = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four series, 300 instances: two phantoms, two real ones."""
    folder = tmp_path_factory.mktemp("hospital")
    real = [path for name in REAL for path in real_series()[name]]
    chest_ct(folder / "ct", slices=180, rows=64, columns=64)
    mr_series(folder / "mr", slices=INSTANCES - 180 - len(real), rows=32, columns=32)
    for path in real:
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).write_bytes(path.read_bytes())
    assert len(files(folder)) == INSTANCES
    return folder


def files(hospital: Path) -> dict[str, Path]:
    """Every file by the name of its object."""
    return {
        path.relative_to(hospital).as_posix(): path for path in sorted(hospital.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def step_image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = docker_archive(tmp_path_factory.mktemp("images") / "count.tar", IMAGE)
    cluster.load(archive)
    return archive


@pytest.fixture(scope="module")
def pipeline(cluster: Cluster, step_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pipeline") / "cloud.yaml"
    file.write_text(PIPELINE.format(digest=cluster.digest(IMAGE.name)))
    return file


@pytest.fixture
def deployment(
    cluster: Cluster,
    image: str,
    talking_storage: CloudStorage,
    pubsub: Callable[..., Lane],
    serve_function: Callable[..., Function],
    postgresql_url: str,
    bigquery: Served,
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployment]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", talking_storage.host)
    servers = Servers(talking_storage, pubsub, serve_function, postgresql_url, bigquery, image)
    with deployed(servers, tmp_path, pipeline) as deployment:
        for name, value in deployment.settings.items():
            monkeypatch.setenv(name, value)
        yield deployment


@pytest.fixture(scope="module")
def kept() -> dict[str, Answers]:
    """What the undisturbed deployment answered, for the disturbed one."""
    return {}


def test_what_lies_in_a_bucket_becomes_rows_in_bigquery_as_it_does_on_a_laptop(
    deployment: Deployment, hospital: Path, step_image: Path, kept: dict[str, Answers], tmp_path: Path
) -> None:
    for name, path in files(hospital).items():
        deployment.inbox.put(name, path)
    deployment.deliver(deployment.notifications(INSTANCES))
    deployment.wait(INSTANCES, SERIES)
    told = deployment.asked(QUESTIONS)
    assert told["doubled"] == []
    assert len(told["instances"]) == INSTANCES
    assert {state for *_, state in told["runs"]} == {"succeeded"}
    with deployment.opened() as home:
        assert {row["executor"] for row in rows(home, "SELECT DISTINCT executor FROM attempts")} == {
            "kubernetes"
        }
        objects = [row["object"] for row in rows(home, "SELECT object FROM artifacts")]
        assert objects
        assert all(home.storage.read(name) for name in objects)
        answers = {name: [tuple(row.values()) for row in rows(home, sql)] for name, sql in QUESTIONS.items()}
    assert differing(answers, told) == {}
    deployment.stop()
    kept["undisturbed"] = told
    local = laptop(hospital, step_image, deployment.pipeline, tmp_path / "laptop")
    assert differing(local, {name: told[name] for name in SAME_ANYWHERE}) == {}


def laptop(hospital: Path, image: Path, pipeline: Path, folder: Path) -> Answers:
    """The answers of a home with the embedded default, images in Docker."""
    with pytest.MonkeyPatch.context() as patch, docker_engine_running() as engine:
        for name in [name for name in os.environ if name.startswith("HILUM_")]:
            patch.delenv(name)
        engine.load(image)
        local = folder.with_suffix(".yaml")
        digest = pipeline.read_text().partition("bed/count@")[2].partition('"')[0]
        local.write_text(pipeline.read_text().replace(f"bed/count@{digest}", "bed/count:1"))
        with hilum.open(folder, docker=engine.host) as home:
            home.run(hospital, pipelines=[local])
            home.record()
            return {
                name: [tuple(row.values()) for row in rows(home, sql)] for name, sql in SAME_ANYWHERE.items()
            }


def differing(one: Answers, other: Answers) -> dict[str, list[tuple[Any, ...]]]:
    """Rows that only one of two has, by question."""
    found = {
        name: [row for row in one[name] if row not in other[name]]
        + [row for row in other[name] if row not in one[name]]
        for name in one.keys() | other.keys()
    }
    return {name: rows for name, rows in found.items() if rows or len(one[name]) != len(other[name])}


def rows(home: hilum.Home, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.query(sql).to_pylist()
    return found


def test_whatever_goes_wrong_the_warehouse_says_the_same(
    deployment: Deployment, hospital: Path, kept: dict[str, Answers]
) -> None:
    rng = random.Random(SEED)
    if "undisturbed" not in kept:
        pytest.fail("the undisturbed deployment is what this is compared with: run both tests")
    _refuse_one_in_ten(deployment, rng)
    delivered = files(hospital)
    replaced = rng.choice(sorted(delivered))
    half = delivered[replaced].read_bytes()[:300]
    for name, path in delivered.items():
        deployment.inbox.put(name, path if name != replaced else half)
    deployment.inbox.put("poison.dcm", bytes(128) + b"DICM" + b"\xff" * 4000)
    deployment.inbox.put("gone.dcm", delivered[replaced])
    deployment.inbox.delete("gone.dcm")
    notifications = deployment.notifications(INSTANCES + 3)
    lost = {each.attributes["objectId"] for each in rng.sample(notifications, len(notifications) // 20)}
    lost -= {replaced, "poison.dcm", "gone.dcm"}
    told = [each for each in notifications if each.attributes["objectId"] not in lost]

    outages = _warehouse_is_away(deployment)
    with ThreadPoolExecutor() as threads:
        beside = [
            threads.submit(_replace_while_it_is_read, deployment, replaced, delivered[replaced]),
            threads.submit(_kill_the_function_at_work, deployment),
        ]
        deployment.deliver(thrice_and_shuffled(told, rng))
        for each in beside:
            each.result()
    deployment.deliver(thrice_and_shuffled(deployment.notifications(1), rng))
    _kill_the_engine(deployment, lambda: _count(deployment, "instances") > INSTANCES // 2)
    status, said = deployment.sweep.call(b'{"window": "all"}')
    assert status == 200, said
    _kill_the_engine(deployment, lambda: _count(deployment, "steps") > 1)
    deployment.wait(INSTANCES, SERIES)

    assert deployment.proxy.faulted > 20
    assert {name: outage.met > 0 for name, outage in outages.items()} == {"rest": True, "grpc": True}
    answers = deployment.asked(QUESTIONS)
    assert differing(answers, kept["undisturbed"]) == {}
    with deployment.opened() as home:
        refused = rows(home, "SELECT uri, reason FROM quarantine WHERE released_at IS NULL")
        assert [row["uri"].rpartition("/")[2] for row in refused] == ["poison.dcm"]
        swept = rows(home, "SELECT uri FROM arrivals WHERE source = 'sweep' AND outcome = 'accepted'")
        assert {row["uri"].partition(f"{deployment.inbox.bucket}/")[2] for row in swept} >= lost
    deployment.stop()


def _refuse_one_in_ten(deployment: Deployment, rng: random.Random) -> None:
    def rule(request: Request) -> Fault | None:
        return Refused(rng.choice((503, 429))) if rng.random() < 0.1 else None

    deployment.proxy.rule = rule


def _hold(deployment: Deployment, wanted: Callable[[Request], bool]) -> Held:
    """The first request to storage that is wanted is done, and its answer held."""
    held, before = Held(), deployment.proxy.rule
    met: list[Request] = []

    def rule(request: Request) -> Fault | None:
        if not met and wanted(request):
            met.append(request)
            return held
        return before(request)

    deployment.proxy.rule = rule
    return held


def _reads(request: Request, deployment: Deployment, name: str = "") -> bool:
    """Whether it reads an object that was delivered, this one if one is named."""
    objects = f"/b/{deployment.inbox.bucket}/o/"
    return request.method == "GET" and objects in request.path and request.path.endswith(quote(name, safe=""))


def _replace_while_it_is_read(deployment: Deployment, name: str, content: Path) -> None:
    """Whoever first reads this object has its answer held until a newer version of it is there."""
    held = _hold(deployment, lambda request: _reads(request, deployment, name))
    assert held.done.wait(60), "nobody read the object"
    deployment.inbox.put(name, content)
    held.go.set()


def _warehouse_is_away(deployment: Deployment) -> dict[str, Outage]:
    """Both ways to it; one comes back earlier, since nothing is sent on the other before."""
    door = deployment.servers.warehouse.door
    outages = {
        "rest": Outage(40, (503, "backendError")),
        "grpc": Outage(60, grpc.StatusCode.UNAVAILABLE),
    }
    door.rest_faults, door.append_faults = outages["rest"], outages["grpc"]
    return outages


def _kill_the_function_at_work(deployment: Deployment) -> None:
    """kill -9 while it reads an object; another instance takes its place, as the platform sees to."""
    later = len(deployment.proxy.seen) + 50
    held = _hold(deployment, lambda request: request.number > later and _reads(request, deployment))
    assert held.done.wait(60), "the function read nothing"
    processes = deployment.intake.processes()
    assert processes
    for process in processes:
        os.kill(process, signal.SIGKILL)
    held.go.set()
    time.sleep(1.0)
    deployment.start_intake()


def _kill_the_engine(deployment: Deployment, when: Callable[[], bool]) -> None:
    assert wait_until(when, 300.0, 0.2), deployment.state()
    deployment.engine.kill_all()
    deployment.start_engine()


def _count(deployment: Deployment, what: str) -> int:
    """So many rows of the ledger, which has them before the warehouse."""
    with deployment.opened() as home:
        if what == "instances":
            return home.status().arrivals.get("accepted", 0)
        return sum(task.state == "succeeded" for task in home.ledger.tasks(run.id for run in home.runs()))
