"""The program of the image with which executors are tested: what it does is its first argument. It runs in
containers, with a Python that has nothing but its standard library.
"""

import json
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

OUT = Path(os.environ.get("HILUM_OUT", "/hilum/out"))
IN = Path(os.environ.get("HILUM_IN", "/hilum/in"))
SCRATCH = Path(os.environ.get("HILUM_SCRATCH", "/hilum/scratch"))
MEGABYTE = 1 << 20
EVERY_BYTE = bytes(range(256))


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def sizes() -> None:
    """Sizes of the instances, a measurement, and progress."""
    context = json.loads((IN / "context.json").read_text())
    say("::progress 0.5 half of it")
    found = [(IN / each["path"]).stat().st_size for each in context["instances"]]
    (OUT / "sizes.txt").write_text("\n".join(map(str, found)))
    (OUT / "measurements.json").write_text(json.dumps([{"name": "bytes", "value": sum(found), "unit": "By"}]))


def leave(code: str) -> None:
    """End with an exit code, after leaving a file."""
    (OUT / "half.txt").write_text("half")
    say("about to leave")
    sys.exit(int(code))


def nothing() -> None:
    """End well, and leave nothing."""


def lock_up() -> None:
    """Leave folders that nobody may enter."""
    for place in (OUT, SCRATCH):
        (place / "closed" / "within").mkdir(parents=True)
        (place / "closed" / "within" / "file").write_text("x")
        (place / "closed" / "within").chmod(0)
        (place / "closed").chmod(0)


def kill(name: str) -> None:
    """End by a signal."""
    os.kill(os.getpid(), signal.Signals[name])


def sleep(seconds: str, code: str = "0") -> None:
    """Say who it is, wait, leave that name, and end with an exit code."""
    token = os.urandom(8).hex()
    say(f"::progress 0.1 {token}")
    time.sleep(float(seconds))
    (OUT / "token.txt").write_text(token)
    sys.exit(int(code))


def stubborn() -> None:
    """Wait for ever, with a child, and mind no signal that can be minded."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.fork():
        say("::progress 0.1 at work")
    while True:
        signal.pause()


def hog(megabytes: str) -> None:
    """Use so much memory."""
    (OUT / "half.txt").write_text("half")
    held = [b"x" * MEGABYTE for _ in range(int(megabytes))]
    say(str(len(held)))


def hog_in_child(megabytes: str) -> None:
    """Let a child use so much memory, and end well whatever becomes of it."""
    if os.fork() == 0:
        hog(megabytes)
        os._exit(0)
    os.wait()
    (OUT / "half.txt").write_text("half")


def rubbish() -> None:
    """Print bytes that are no text, then fail."""
    for _ in range(100):
        os.write(1, EVERY_BYTE)
    sys.exit(1)


def flood(megabytes: str) -> None:
    """Print that much, and last a word, then fail."""
    line = b"%s\n" % (b"y" * 99)
    for _ in range(int(megabytes)):
        os.write(1, line * 10_000)
    os.write(1, b"the last word\n")
    sys.exit(1)


def look() -> None:
    """What it may do, as far as it finds out by trying."""
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    found = {
        "user": os.getuid(),
        "group": os.getgid(),
        "groups": os.getgroups(),
        "capabilities": int(status["CapEff"], 16),
        "bounding": int(status["CapBnd"], 16),
        "no_new_privileges": status["NoNewPrivs"].strip() == "1",
        "seccomp": status["Seccomp"].strip(),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "network": _connect(),
        "write_root": _try(lambda: Path("/written").write_text("x")),
        "write_in": _try(lambda: (IN / "context.json").write_text("x")),
        "add_to_in": _try(lambda: (IN / "added").write_text("x")),
        "remove_from_in": _try(lambda: (IN / "context.json").unlink()),
        "write_out": _try(lambda: (OUT / "written.txt").write_text("x")),
        "write_scratch": _try(lambda: (SCRATCH / "written").write_text("x")),
        "write_tmp": _try(lambda: Path("/tmp/written").write_text("x")),
        "chown": _try(lambda: os.chown(OUT / "written.txt", 0, 0)),
        "become_root": _try(lambda: os.setuid(0)),
        "read_roots_file": _try(lambda: Path("/root/secret").read_text()),
        "processes": _processes(int(sys.argv[2]) if len(sys.argv) > 2 else 0),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "tokens": [str(path) for path in (Path("/var/run/secrets"), Path("/run/secrets")) if path.exists()],
    }
    (OUT / "found.json").write_text(json.dumps(found))


def _try(act) -> str:  # type: ignore[no-untyped-def]
    try:
        act()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "done"


def _connect() -> str:
    """What the network says of an address that nobody routes to but a default gateway."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        return _try(lambda: client.connect(("192.0.2.1", 9)))


def _processes(wanted: int) -> int:
    """How many children can be had at once."""
    children = []
    for _ in range(wanted):
        try:
            child = os.fork()
        except OSError:
            break
        if child == 0:
            signal.pause()
        children.append(child)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:] if sys.argv[1] != "look" else ())
