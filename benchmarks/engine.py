"""The engine's own cost: time per no-op task, an unchanged second run, and resident memory while files are taken in.

``python -m benchmarks engine [--quick]``. No peer does the same work in one process, so these are plain figures.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

NOOP = """
from hilum import Context, step


@step("noop", version="1")
def noop(ctx: Context) -> None:
    pass
"""
NOTHING = 'name: nothing\nscope: series\nwhen: Modality == "none"\nsteps:\n  qc: {uses: qc}\n'


def pipeline(steps: int, needs: bool) -> str:
    """A pipeline of so many no-op steps in a row (or side by side)."""
    lines = ["name: noop", "scope: series", "steps:"]
    for index in range(steps):
        need = f", needs: [s{index - 1}]" if needs and index else ""
        lines.append(f"  s{index}: {{uses: ./noop.py:noop{need}}}")
    return "\n".join(lines) + "\n"


def overhead(folder: Path, runs: int, steps: int) -> tuple[float, float]:
    """Milliseconds per no-op task over ``runs`` runs of ``steps`` tasks each, from ready to in the warehouse: by the
    clock, and of the engine's own processor time, without that of the processes that run steps."""
    import hilum
    from hilum.dicom.phantom import many_instances
    from hilum.sources.folder import FolderSource

    scans = folder / f"scans-{runs}"
    if not scans.exists():
        for _ in many_instances(scans, runs, per_series=1):
            pass
    (folder / "noop.py").write_text(NOOP)
    file = folder / f"noop-{steps}.yaml"
    file.write_text(pipeline(steps, needs=False))
    with hilum.open(folder / f"home-{runs}-{steps}") as home:
        engine = home.engine([file])
        source = FolderSource([scans], home.clock)
        taken = engine.take_in(source)
        home.ledger.close_subjects(taken.subjects)
        engine.settler.settle()
        engine.planner.plan()
        start, busy = time.perf_counter(), time.process_time()
        engine.work(taken.subjects)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        engine.close()
        tasks = home.status().tasks
        assert tasks == {"succeeded": runs * steps}, tasks
    return 1000 * seconds / (runs * steps), 1000 * busy / (runs * steps)


def unchanged(folder: Path, files: int) -> tuple[float, float]:
    """Seconds of a first run over so many files (taking in alone) and of a second, unchanged one."""
    import hilum
    from hilum.dicom.phantom import many_instances

    scans = folder / "files"
    for _ in many_instances(scans, files):
        pass
    nothing = folder / "nothing.yaml"
    nothing.write_text(NOTHING)
    taken = []
    for _ in range(2):
        with hilum.open(folder / "home-files") as home:
            start = time.perf_counter()
            home.run(scans, pipelines=[nothing])
            taken.append(time.perf_counter() - start)
    return taken[0], taken[1]


def peak_memory(files: int) -> int:
    """MB at the peak of ``hilum run`` over so many tiny files with a pipeline that takes none of them, readers and
    all."""
    from benchmarks.memory import peak
    from hilum.dicom.phantom import many_instances

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in many_instances(folder / "files", files):
            pass
        nothing = folder / "nothing.yaml"
        nothing.write_text(NOTHING)
        command = [str(Path(sys.executable).with_name("hilum")), "--home", str(folder / "home"), "run"]
        return max(peak([*command, str(folder / "files"), "--pipeline", str(nothing)])) // 10**6


def main() -> None:
    """Print the table."""
    quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for runs, steps in ((20, 10), (100, 1)) if quick else ((1_000, 10), (10_000, 1)):
            cost, own = overhead(folder, runs, steps)
            print(f"no-op tasks, {runs:,} runs of {steps:>2} steps      {cost:8.2f} ms per task (bar: 3)")
            print(f"  of which the engine's own processor time {own:8.2f} ms per task")
        files = 500 if quick else 10_000
        first, second = unchanged(folder, files)
        print(f"taking in {files:,} tiny files            {first:8.2f} s, {files / first:,.0f} files/s")
        print(f"unchanged second run over them        {second:8.2f} s (bar: 2 for 10,000)")
    for files in (500,) if quick else (10_000, 100_000):
        print(f"resident memory, {files:>7,} instances    {peak_memory(files):8d} MB (bar: 300)")


if __name__ == "__main__":
    main()
