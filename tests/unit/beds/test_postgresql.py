"""The bed must be sound: what it leaves behind, every later test and every machine pays for."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

SEIZED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from beds.postgresql import Cluster, find_binaries
cluster = Cluster(find_binaries())
print(cluster.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

TESTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("which", ["first", "second"])
def test_each_test_has_an_empty_database_of_its_own(postgresql_url, which):
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0
        connection.execute(text("CREATE TABLE mine (x int)"))
    engine.dispose()


def test_a_database_can_be_made_as_a_copy_of_another(postgresql):
    original = postgresql.create()
    engine = create_engine(postgresql.url(original))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine AS SELECT 7 AS x"))
    engine.dispose()
    copy = postgresql.create(original)
    engine = create_engine(postgresql.url(copy))
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT x FROM mine")) == 7
    engine.dispose()
    postgresql.drop(copy)
    postgresql.drop(original)


@pytest.mark.usefixtures("postgresql")
@pytest.mark.slow
def test_a_killed_test_process_leaves_no_server_and_no_folder():
    done = subprocess.run(
        [sys.executable, "-c", SEIZED, str(TESTS)], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -9
    folder = Path(done.stdout.strip())
    for _ in range(600):
        if not folder.exists():
            break
        time.sleep(0.05)
    assert not folder.exists(), "the server stops first and its folder goes last"
