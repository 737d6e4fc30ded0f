"""The process from which all slots are forked, with what nearly every step imports loaded already: a fork takes
milliseconds where a new interpreter with numpy and pydicom takes half a second.

It has one thread, because a fork copies only the thread that calls it, and locks that others hold stay locked. The
engine sends it one end of a channel for each slot; when the engine goes away, slots and zygote end.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import pkgutil
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

PRELOADED = ("numpy", "pydicom", "hilum.storage.local", "hilum.dicom.series")


def main() -> None:
    """Fork a slot for every channel that arrives on the socket whose number is the first argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the engine drains; its going away is what ends us

    from hilum.executors.limits import adopt_orphans, children
    from hilum.executors.slot import serve

    adopt_orphans()
    preload()
    gc.collect()
    gc.freeze()
    slots: dict[int, int] = {}  # by pidfd
    listened: list[Any] = [control]
    while control in listened or slots:
        for ready in wait([*listened, *slots]):
            if ready is control:
                _, handles, _, _ = socket.recv_fds(control, 1, 1, socket.MSG_CMSG_CLOEXEC)
                if not handles:
                    listened.clear()
                    continue
                slot = os.fork()
                if slot == 0:
                    control.close()
                    serve(Connection(handles[0]))
                    os._exit(0)
                os.close(handles[0])
                slots[os.pidfd_open(slot)] = slot
            else:
                assert isinstance(ready, int)
                os.waitpid(slots.pop(ready), 0)
                os.close(ready)
        while strangers := set(children(os.getpid())) - set(slots.values()):  # left by a slot that was killed
            for pid in strangers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def preload() -> None:
    """Import what nearly every step needs, and the built-in steps; what is not installed is passed over. Then do once
    what every worker would do: each page of memory that a worker changes is copied for it alone."""
    import hilum.steps.builtin
    from hilum.executors.sandbox import devices
    from hilum.executors.worker import registry

    builtin = [
        f"hilum.steps.builtin.{module.name}" for module in pkgutil.iter_modules(hilum.steps.builtin.__path__)
    ]
    for name in (*PRELOADED, *builtin):
        with suppress(ImportError):
            importlib.import_module(name)
    registry.names()
    devices()
    faulthandler.enable()


if __name__ == "__main__":
    main()
