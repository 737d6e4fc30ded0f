"""Memory goes back to the machine. Shown in a process of its own, where nobody else has freed anything."""

from __future__ import annotations

import subprocess
import sys

FREED = """
import ctypes, os
from pathlib import Path
from hilum.kernel.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
give_back()
empty = resident()
blocks = [library.malloc(1 << 16) for _ in range(1 << 10)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 16)
full = resident()
for block in blocks[:-1]:  # the last one keeps the C library from giving back the others by itself
    library.free(block)
kept = resident()
give_back()
print(full - empty >> 20, kept - empty >> 20, resident() - empty >> 20)
"""


def test_what_is_free_goes_back_to_the_machine_which_the_c_library_keeps() -> None:
    said = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    full, kept, given_back = map(int, said.split())
    assert full >= 63
    assert kept >= 63
    assert given_back <= 2
