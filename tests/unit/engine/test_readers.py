"""Reading with many processes: results in order, few batches under way; a reader that dies takes nothing along."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from beds import reading
from hilum.engine.readers import AHEAD, Readers

TESTS = str(Path(reading.__file__).parents[1])


@pytest.fixture(autouse=True)
def beds_for_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", TESTS)


def batches(count: int, size: int = 4) -> list[list[int]]:
    return [list(range(size * number, size * (number + 1))) for number in range(count)]


def read(
    workers: int, work: Callable[[Sequence[Any]], Any], items: Sequence[list[Any]]
) -> list[tuple[list[Any], Any]]:
    with Readers(workers, work, reading.lost, reading.merged) as readers:
        return list(readers.map(items))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_every_batch_comes_back_in_order(workers: int, count: int) -> None:
    given = batches(count)
    assert read(workers, reading.doubled, given) == [(batch, reading.doubled(batch)) for batch in given]


def test_many_batches_are_read_by_other_processes() -> None:
    processes = {pid for _, pids in read(2, reading.whose, batches(20)) for pid in pids}
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.parametrize(("workers", "count"), [(1, 5), (2, 1)])
def test_one_worker_or_one_batch_needs_no_process(workers: int, count: int) -> None:
    assert {pid for _, pids in read(workers, reading.whose, batches(count)) for pid in pids} == {os.getpid()}


def test_batches_and_results_larger_than_any_pipe_do_not_block() -> None:
    given = [[(number, reading.LARGE)] * 3 for number in range(12)]
    assert [result for _, result in read(2, reading.wide, given)] == [reading.wide(batch) for batch in given]


def test_few_batches_are_under_way_whatever_their_number() -> None:
    drawn: list[int] = []

    def source() -> Iterator[list[int]]:
        for batch in batches(50):
            drawn.append(len(drawn))
            yield batch

    with Readers(2, reading.doubled, reading.lost, reading.merged) as readers:
        for done, _ in enumerate(readers.map(source()), 1):
            assert len(drawn) - done <= 2 * AHEAD


def test_what_kills_its_reader_is_found_out_and_nothing_else_is_lost() -> None:
    results = [result for _, result in read(2, reading.deadly, batches(20))]
    assert reading.merged(results) == [-13 if number == 13 else 2 * number for number in range(80)]


def test_readers_are_replaced_also_when_the_process_that_they_come_from_is_gone() -> None:
    with Readers(2, reading.deadly, reading.lost, reading.merged) as readers:
        results = readers.map(batches(20))
        found = [next(results)]
        assert readers._zygote is not None
        readers._zygote._process.kill()
        found += results
    assert reading.merged([result for _, result in found]) == [
        -13 if number == 13 else 2 * number for number in range(80)
    ]


def test_readers_have_what_they_need_before_they_read() -> None:
    with Readers(2, reading.knows_colorsys, reading.lost, reading.merged, ["colorsys"]) as readers:
        assert all(all(known) for _, known in readers.map(batches(4)))


def test_an_error_of_a_reader_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no"):
        read(2, reading.failing, batches(3))
