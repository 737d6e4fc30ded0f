"""What a confined process can still do; that it cannot write elsewhere is shown with real steps (tests/contract)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hilum.executors.sandbox import abi

CONFINED = """
import sys
from pathlib import Path
from hilum.executors.sandbox import confine
folder = Path(sys.argv[1])
assert confine([folder / "own"])
exec(sys.argv[2])
"""

needs_landlock = pytest.mark.skipif(abi() == 0, reason="this kernel has no Landlock")


def confined(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "own").mkdir(exist_ok=True)
    (folder / "other.txt").write_text("other")
    return subprocess.run(
        [sys.executable, "-c", CONFINED, str(folder), code], capture_output=True, text=True, check=False
    )


@needs_landlock
@pytest.mark.parametrize(
    "code",
    [
        "(folder / 'own' / 'a').write_text('x'); (folder / 'own' / 'a').rename(folder / 'own' / 'b')",
        "(folder / 'own' / 'deep').mkdir(); (folder / 'own' / 'a').touch()\n"
        "(folder / 'own' / 'a').rename(folder / 'own' / 'deep' / 'a')",
        "(folder / 'own' / 'a').touch(); (folder / 'own' / 'a').unlink()",
        "(folder / 'own' / 'a').symlink_to('b')",
        "(folder / 'other.txt').read_text()",
        "open('/dev/null', 'w').write('x')",
        "import subprocess; subprocess.run([sys.executable, '-c', 'pass'], check=True)",
        "import multiprocessing; multiprocessing.Lock(); multiprocessing.Queue()",
        "import subprocess; child = subprocess.Popen(['sleep', '60']); child.kill(); child.wait()",
    ],
)
def test_what_steps_need_is_allowed(tmp_path: Path, code: str) -> None:
    result = confined(tmp_path, code)
    assert result.returncode == 0, result.stderr


@needs_landlock
@pytest.mark.parametrize(
    "code",
    [
        "(folder / 'new.txt').write_text('x')",
        "open(folder / 'other.txt', 'a')",
        "import os; os.truncate(folder / 'other.txt', 0)",
        "(folder / 'other.txt').unlink()",
        "(folder / 'folder').mkdir()",
        "(folder / 'other.txt').rename(folder / 'own' / 'mine.txt')",
        "(folder / 'link').symlink_to('own')",
        "import os; os.link(folder / 'other.txt', folder / 'own' / 'linked')",
        "import subprocess; subprocess.run(['touch', str(folder / 'new.txt')], check=True)",
        "import os; os.mknod(folder / 'own' / 'device', 0o20600, os.makedev(1, 8))",
    ],
)
def test_what_leads_outside_is_refused(tmp_path: Path, code: str) -> None:
    if abi() < 3 and "truncate" in code:
        pytest.skip("this kernel's Landlock does not hold truncation")
    result = confined(tmp_path, code)
    assert result.returncode == 1
    assert "Error" in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["other.txt", "own"]
    assert (tmp_path / "other.txt").read_text() == "other"
    assert os.listdir(tmp_path / "own") == []
