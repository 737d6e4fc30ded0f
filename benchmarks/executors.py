"""What an attempt costs on each executor, beside what starting a container costs without Hilum.

``PYTHONPATH=tests python -m benchmarks executors [--quick]`` (``make bench-executors``) starts a Docker engine and a
Kubernetes node of its own, as the tests do; it needs root. What cannot be started is said and left out. Times are
medians, warm; the processor time of an attempt is that of the engine's process alone.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from beds.attempts import Subject, run
from beds.executor_suite import IMAGE, Bench
from beds.images import docker_archive
from hilum.executors.interface import Executor
from hilum.executors.process import ProcessExecutor
from hilum.executors.staged import stage
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec, StepPlan
from hilum.steps.registry import StepRegistry

NOOP = """
from hilum import Context, step


@step("noop", version="1")
def noop(ctx: Context) -> None:
    pass
"""
TELLING = """
import time

from hilum import Context, Output, step


@step("telling", version="1", outputs=[Output("began", "began.txt", "text/plain")])
def telling(ctx: Context) -> None:
    ctx.output("began").write_text(str(time.monotonic()))
"""
NUMBERED = """
from hilum import Context, Output, Parameters, step


class Which(Parameters):
    number: int


@step("numbered", version="1", outputs=[Output("number", "number.txt", "text/plain")])
def numbered(ctx: Context, parameters: Which) -> None:
    ctx.output("number").write_text(str(parameters.number))
"""
QUICK = "--quick" in sys.argv
ROUNDS, MANY, LIGHT = (3, 10, 20) if QUICK else (20, 100, 600)
PODS = 4
"""That light steps share."""
FILES, SIZE = (30, 1 << 19) if QUICK else (300, 1 << 19)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="hilum-bench-") as folder:
        here = Path(folder)
        say("process, an attempt", processes(here / "process"), "bar 30 ms")
        say("process, last instance to first step", first_step(here / "arrival"), "bar 100 ms, settle aside")
        staging(here / "staging")
        for measure in (docker, kubernetes):
            try:
                measure(here / measure.__name__)
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                print(f"  {measure.__name__:<44} not measured: {error}")


def say(what: str, seconds: float, beside: str = "") -> None:
    """One figure."""
    print(f"  {what:<44} {1000 * seconds:8.1f} ms   {beside}", flush=True)


def median(work: Callable[[], object]) -> float:
    """Seconds that it takes, warm."""
    taken = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def attempt(executor: Executor, spec: AttemptSpec) -> None:
    """Run one attempt, which must succeed."""
    (report,) = run(executor, spec)
    assert report.outcome is AttemptOutcome.SUCCEEDED, report


def processes(folder: Path) -> float:
    """Seconds of an attempt at a step that does nothing."""
    subject = Subject(folder)
    (folder / "noop.py").write_text(NOOP)
    step = StepRegistry().get(f"{folder}/noop.py:noop")
    executor = ProcessExecutor(folder / "work")
    numbers = iter(range(10**6))

    def one() -> None:
        plan = StepPlan("noop", step.reference, {**step.code}, {}, memory=1 << 30)
        attempt(
            executor, subject.spec(plan, revision=subject.revision, done={}, labels={"n": str(next(numbers))})
        )
        shutil.rmtree(folder / "store" / "tasks", ignore_errors=True)

    try:
        return median(one)
    finally:
        executor.close()


def first_step(folder: Path) -> float:
    """Seconds from a series' last instance to its first step at work, in an engine that is warm.

    The step itself says when it began, by the clock that all processes of a machine share: an engine hears of a step
    only once it has run for a tenth of a second.
    """
    import hilum
    from hilum.dicom.phantom import chest_ct
    from hilum.sources.folder import FolderSource

    folder.mkdir()
    (folder / "telling.py").write_text(TELLING)
    (folder / "p.yaml").write_text("name: first\nsteps: {telling: {uses: ./telling.py:telling}}\n")
    taken = []
    with hilum.open(folder / "home") as home:
        engine = home.engine([folder / "p.yaml"])
        for number in range(ROUNDS + 1):
            scan = folder / f"ct-{number}"
            chest_ct(scan, slices=2, rows=32, columns=32, seed=number)
            start = time.monotonic()
            report = engine.take_in(FolderSource([scan], home.clock))
            home.ledger.close_subjects(report.subjects)
            engine.settler.settle()
            engine.planner.plan()
            engine.work(report.subjects)
            (result,) = (home.root / "results").glob("*/*/first/telling/began.txt")
            taken.append(float(result.read_text()) - start)
            result.unlink()
        engine.close()
    return statistics.median(taken[1:])


def staging(folder: Path) -> None:
    """Staging a series' files for a container, as links and as copies, beside a plain copy."""
    subject = Subject(folder, tuple(number.to_bytes(4, "big") * (SIZE // 4) for number in range(FILES)))
    image = Bench("", {}, subject, "sha256:" + "0" * 64, lambda _: None, list).spec()
    times = {}
    for kind, mode in (("links", 0o644), ("copies", 0o600)):
        for file in subject.files:
            file.chmod(mode)
        start = time.perf_counter()
        assert stage(image, subject.store, folder / kind) is None
        times[kind] = time.perf_counter() - start
    start = time.perf_counter()
    (folder / "plain").mkdir()
    for file in subject.files:
        shutil.copyfile(file, folder / "plain" / file.name)
    plain = time.perf_counter() - start
    for kind, seconds in times.items():
        say(
            f"stage {FILES} files of {SIZE >> 10} KiB as {kind}",
            seconds,
            f"{plain / seconds:.2f} x a plain copy's speed",
        )


def docker(folder: Path) -> None:
    """Attempts in containers, beside `docker run` of the same."""
    from beds.docker_engine import docker_engine_running, missing
    from hilum.executors.docker.executor import DockerExecutor
    from hilum.executors.docker.images import DockerImages

    if why := missing():
        raise RuntimeError(why)
    with docker_engine_running() as engine:
        folder.mkdir()
        engine.load(docker_archive(folder / "images.tar", IMAGE))
        digest = DockerImages(engine.host).resolve(IMAGE.name, "never").digest
        bench = Bench("", {}, Subject(folder / "subject"), digest, lambda _: None, list)
        executor = DockerExecutor(folder / "work", host=engine.host)
        plain = median(
            lambda: engine.docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/true", IMAGE.name)
        )
        shell = {"command": ("/bin/true",), "args": ()}
        say("Docker, an attempt", median(lambda: attempt(executor, bench.spec(**shell))), "bar 400 ms")
        say("docker run --rm of the same", plain)
        executor.close()


def kubernetes(folder: Path) -> None:
    """Attempts in pods, one at a time and many at once."""
    from beds.cluster.bench import open_executor
    from beds.cluster.cluster import cluster_running, missing
    from beds.cluster.images import hilum_archive

    if why := missing():
        raise RuntimeError(why)
    with cluster_running() as cluster:
        folder.mkdir()
        folder.chmod(0o755)
        folder.parent.chmod(0o755)
        cluster.load(hilum_archive(folder / "hilum.tar"))
        cluster.load(docker_archive(folder / "steps.tar", IMAGE))
        bench = Bench("", {}, Subject(folder / "subject"), cluster.digest(IMAGE.name), lambda _: None, list)
        subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
        with closing(open_executor(home="bench", folder=str(folder), slots=MANY)) as executor:
            shell = {"command": ("/bin/true",), "args": (), "cpu": 0.01}
            one = median(lambda: attempt(executor, bench.spec(**shell)))
            say("Kubernetes, an attempt", one, "bar 4,000 ms")
            seconds, busy = together(executor, [bench.spec(**shell) for _ in range(MANY)])
            print(f"  {f'Kubernetes, {MANY} attempts at once':<44} {MANY / seconds:8.1f} /s   bar 4 pods/s")
            say("Kubernetes, processor time of the engine", busy / MANY, "an attempt; bar 10 ms")
        (folder / "numbered.py").write_text(NUMBERED)
        step = StepRegistry().get(f"{folder}/numbered.py:numbered")
        with closing(open_executor(home="light", folder=str(folder), slots=PODS)) as executor:
            specs = [
                bench.subject.spec(
                    StepPlan("numbered", step.reference, {**step.code}, {"number": number}),
                    memory=256 << 20,
                    cpu=0.5,
                    timeout=60.0,
                )
                for number in range(LIGHT)
            ]
            seconds, busy = together(executor, specs)
            print(f"  {f'Kubernetes, {LIGHT} light steps in {PODS} pods':<44} {LIGHT / seconds:8.1f} /s")
            say("Kubernetes, processor time of the engine", busy / LIGHT, "a light step")


def together(executor: Executor, specs: list[AttemptSpec]) -> tuple[float, float]:
    """Run attempts, handed out as there is room; seconds by the clock, and of this process's time."""
    start, before = time.perf_counter(), time.process_time()
    left, reports = deque(specs), list[AttemptReport]()
    while len(reports) < len(specs):
        for _ in range(min(executor.capacity(), len(left))):
            executor.submit(left.popleft())
        reports += [event for event in executor.watch(1.0) if isinstance(event, AttemptReport)]
    seconds, busy = time.perf_counter() - start, time.process_time() - before
    assert all(report.outcome is AttemptOutcome.SUCCEEDED for report in reports)
    return seconds, busy


@contextmanager
def closing(executor: Executor) -> Iterator[Executor]:
    """Close it at the end."""
    try:
        yield executor
    finally:
        executor.close()


if __name__ == "__main__":
    main()
