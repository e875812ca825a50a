from __future__ import annotations

import os

import pytest

from datatools import engine
from datatools.engine import count_cores, map_ordered


def square(number: int) -> int:
    return number * number


def whoami(_: int) -> int:
    return os.getpid()


def refuse(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


@pytest.fixture
def few_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FEW", 1)
    monkeypatch.setattr(engine, "CHUNK", 2)


@pytest.mark.parametrize("workers", [None, 1, 2])
@pytest.mark.parametrize("n", [0, 1, 9])
@pytest.mark.usefixtures("few_is_none")
def test_results_come_in_the_order_of_the_items_and_each_ticks(workers: int | None, n: int):
    ticks: list[int] = []
    assert list(map_ordered(square, range(n), workers, ticks.append)) == [i * i for i in range(n)]
    assert ticks == [1] * n


@pytest.mark.usefixtures("few_is_none")
def test_two_workers_are_other_processes():
    assert os.getpid() not in set(map_ordered(whoami, range(8), workers=2))


def test_few_items_stay_in_this_process():
    assert set(map_ordered(whoami, range(8), workers=2)) == {os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("few_is_none")
def test_an_error_in_a_worker_reaches_the_caller(workers: int):
    with pytest.raises(ValueError, match="three"):
        list(map_ordered(refuse, range(6), workers))


def test_there_is_at_least_one_core():
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
