"""Tens of thousands of tasks through a real API server, on fake nodes.

``PYTHONPATH=tests python -m benchmarks scale [--quick]`` starts the tests' cluster with kwok's fake nodes; it takes
root. ``TASKS=2000`` in the environment asks for so many. Nodes and steps are fake: no image is pulled and nothing is
computed. A process stands in for what would run in the pods: it commits an empty result under each task's true key
and writes the end of its container, as ``collect`` and a kubelet would. API server, etcd, scheduler, Job controller,
Jobs, watches, ledger, manifests and warehouse are real, and they share this machine's processors with everything
else; so a table says whose processor time a task takes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TASKS, PODS = (500, 200) if "--quick" in sys.argv else (int(os.environ.get("TASKS", "20_000")), 1_000)
PER_NODE = 110
PIPELINE = """\
name: scale
scope: series
steps:
  step: {image: "registry.example/step@sha256:%s", pull: never, resources: {cpu: 10m, memory: 16Mi}}
""" % ("1" * 64)
DAEMONS = ("kube-apiserver", "etcd", "kube-controller", "kube-scheduler", "kwok", "python")


def main() -> None:
    """Print the figures."""
    from beds.cluster.cluster import cluster_running, missing
    from beds.cluster.kwok import fake_nodes
    from hilum.app.adapters import home_id
    from hilum.settings import Settings

    if why := missing():
        print(f"  not measured: {why}")
        return
    with tempfile.TemporaryDirectory(prefix="hilum-bench-") as name:
        folder = Path(name)
        (folder / "pipeline.yaml").write_text(PIPELINE)
        with cluster_running() as cluster, fake_nodes(cluster, -(-PODS // PER_NODE)):
            say(phase("plan", folder))
            called = home_id(Settings(), folder / "home")
            command = [sys.executable, "-m", "beds.cluster.stand_in", called]
            stand_in = subprocess.Popen(command, cwd="tests", stdin=subprocess.PIPE)
            before = processor_times()
            found = phase("work", folder)
            after = processor_times()
            found["Jobs made"] = f"{len(cluster.kubectl('get', 'jobs', '-o', 'name').split()):,}"
            stand_in.communicate()
            say(found)
            for daemon in DAEMONS:
                each = 1000 * (after.get(daemon, 0.0) - before.get(daemon, 0.0)) / TASKS
                label = "stand-in for steps" if daemon == "python" else daemon
                print(f"  processor time a task: {label:<21} {each:10.1f} ms", flush=True)


def say(figures: dict[str, str]) -> None:
    """One line each."""
    for what, figure in figures.items():
        print(f"  {what:<44} {figure:>10}", flush=True)


def phase(name: str, folder: Path) -> dict[str, str]:
    """Run a phase in a process of its own, so that its memory is its own; the figures that it prints."""
    command = [sys.executable, "-m", "benchmarks.scale", *sys.argv[1:], "--phase", name, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return figures


def open_home(folder: Path) -> Any:
    """The home, with pods on fake nodes."""
    import hilum
    from beds.cluster import places
    from beds.cluster.images import HILUM
    from beds.cluster.kwok import FAKE, TAINT

    toleration = {"key": TAINT["key"], "operator": "Exists"}
    kubernetes = {
        "image": HILUM,
        "kubeconfig": str(places.KUBECONFIG),
        "namespace": "default",
        "pods": PODS,
        "node_selector": FAKE,
        "tolerations": [toleration],
    }
    return hilum.open(folder / "home", executor="kubernetes", kubernetes=kubernetes)


def plan(folder: Path) -> dict[str, str]:
    """Take in a series for each task, settle and plan."""
    from hilum.dicom.phantom import many_instances
    from hilum.sources.folder import FolderSource

    for _ in many_instances(folder / "scans", TASKS, per_series=1):
        pass
    with open_home(folder) as home:
        engine = home.engine([folder / "pipeline.yaml"])
        taken = engine.take_in(FolderSource([folder / "scans"], home.clock))
        home.ledger.close_subjects(taken.subjects)
        start = time.perf_counter()
        engine.settler.settle()
        settled = time.perf_counter()
        runs = engine.planner.plan()
        planned = time.perf_counter()
        engine.close()
    assert len(runs) == TASKS, len(runs)
    return {
        "tasks": f"{TASKS:,}",
        "settled in": f"{settled - start:.1f} s",
        "planned in (bar 60 s)": f"{planned - settled:.1f} s",
    }


def work(folder: Path) -> dict[str, str]:
    """All tasks, from the first that is handed out to the last that is in the warehouse."""
    with open_home(folder) as home:
        engine = home.engine([folder / "pipeline.yaml"])
        start, busy = time.perf_counter(), time.process_time()
        engine.work()
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        engine.close()
        tasks = home.status().tasks
        attempts = home.query(
            "SELECT count(*) AS n, count(DISTINCT attempt_id) AS ids FROM attempts"
        ).to_pylist()[0]
    assert tasks == {"succeeded": TASKS}, tasks
    assert attempts == {"n": TASKS, "ids": TASKS}, attempts
    return {
        "attempts at once": f"{PODS:,}",
        "completions a second": f"{TASKS / seconds:.1f}",
        "engine's processor time a task (bar 10 ms)": f"{1000 * busy / TASKS:.1f} ms",
        "engine's resident memory at its peak": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB",
    }


def processor_times() -> dict[str, float]:
    """Seconds that processes have used so far, by the name of their program."""
    ticks = os.sysconf("SC_CLK_TCK")
    found: dict[str, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            line = path.read_text()
        except OSError:
            continue
        name, rest = line[line.index("(") + 1 : line.rindex(")")], line[line.rindex(")") + 2 :].split()
        if name == "python" and b"stand_in" not in path.with_name("cmdline").read_bytes():
            continue
        found[name] = found.get(name, 0.0) + (int(rest[11]) + int(rest[12])) / ticks
    return found


if __name__ == "__main__":
    if "--phase" in sys.argv:
        print(json.dumps({"plan": plan, "work": work}[sys.argv[-2]](Path(sys.argv[-1]))))
    else:
        main()
