"""The program of a pod's first init container: inputs into the attempt's folder, or word that nothing is to run."""

from __future__ import annotations

import sys

from hilum.executors.kubernetes.pod import NOTHING_TO_RUN, broken, clock, folder, my_spec, tell
from hilum.executors.staged import FOLDERS, ImageStep, stage
from hilum.storage import open_storage


def main() -> int:
    """The exit code."""
    spec = my_spec()
    try:
        result = stage(spec, open_storage(spec.store), folder, clock)
    except Exception as error:  # storage that cannot be opened
        result = broken(spec, error)
    if result is not None:
        tell([result])
        return NOTHING_TO_RUN
    step = ImageStep.of(spec)
    assert step is not None
    mounted = {folder / mount.folder / mount.below for mount in step.invocation().mounts}
    for path in sorted(mounted | {folder / name for name in FOLDERS}):
        path.mkdir(parents=True, exist_ok=True)  # the kubelet would make it for root alone
        if not path.is_relative_to(folder / "in"):
            path.chmod(0o777)  # the step may run as another user
    return 0


if __name__ == "__main__":
    sys.exit(main())
