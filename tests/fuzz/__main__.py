"""Coverage-guided fuzzing of the header reader: ``make fuzz``. Needs ``atheris``, which is libFuzzer for Python.

It begins with real headers, cut at their pixel data, and with generated ones, and mutates them towards code that no
input has reached yet. What breaks a rule of :func:`beds.fuzzing.check` is written to ``tests/fuzz/found``, to be
mended, and to stay there as a test.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hilum.dicom", "pydicom.filereader"]):
    from beds.fuzzing import check, outcome
    from beds.seeds import seeds, words

FOUND = Path(__file__).with_name("found")
LONGEST = 16_000
"""Bytes of an input: most headers are shorter, and much longer ones are slow to explore."""
SECONDS, KIBIBYTES = 1.0, 256 << 10
"""What one input may take."""


def run(data: bytes) -> None:
    """One input; whatever is raised is a finding."""
    began, before = time.process_time(), _peak()
    outcome(data)
    took = time.process_time() - began
    assert took < SECONDS, f"it takes {took:.1f} s"
    check(data)
    took_memory = _peak() - before
    assert took_memory < KIBIBYTES, f"it takes {took_memory >> 10} MiB"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, data in enumerate(seeds(LONGEST)):
            (corpus / str(number)).write_bytes(data)
        dictionary = Path(folder, "words")
        dictionary.write_text("".join(f'"{escaped(word)}"\n' for word in words() if word))
        FOUND.mkdir(exist_ok=True)
        atheris.Setup(
            [
                sys.argv[0],
                str(corpus),
                str(FOUND),
                f"-max_total_time={seconds}",
                f"-max_len={LONGEST}",
                f"-dict={dictionary}",
                f"-artifact_prefix={FOUND}/",
                "-timeout=300",
                "-rss_limit_mb=1024",
                "-print_final_stats=1",
            ],
            run,
        )
        atheris.Fuzz()


def escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
