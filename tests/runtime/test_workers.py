"""The pool of worker processes: order, threads, errors, killed workers, ends."""

import os
import signal
import time

import pytest

from tebench.base.errors import WorkerKilledError
from tebench.runtime import workers
from tebench.runtime.workers import Pool, each

KEPT = {"kept": "what is written is kept."}


def square(number):
    return number * number


def slow_first(number):
    time.sleep(0.3 if number == 0 else 0.0)
    return number, os.getpid()


def fail_at_two(number):
    if number == 2:
        raise ValueError(f"bad {number}")
    return number


class AwkwardError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def awkward(_):
    raise AwkwardError(1, 2)


def a_lambda(_):
    return lambda: None


def die_at_one(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def leave_at_one(number):
    if number == 1:
        os._exit(3)
    return number


def talk(number):
    for step in range(3):
        workers.report((number, step))
    return -number


def threads(_):
    import torch
    from threadpoolctl import threadpool_info

    return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}


def pid(_):
    return os.getpid()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("fork", [False, True], ids=["spawn", "fork"])
def test_results_have_the_order_of_the_jobs(count, fork):
    found = each(slow_first, list(range(6)), count, "x", progress=False, fork=fork, **KEPT)
    assert [number for number, _ in found] == list(range(6))
    own = {os.getpid()}
    assert {who for _, who in found} == own if count == 1 else not own & {who for _, who in found}


def test_jobs_begin_in_the_order_that_is_asked():
    with Pool(1, fork=True, **KEPT) as pool:
        assert [event.job for event in pool.run(square, [5, 6, 7], order=[2, 0, 1])] == [2, 0, 1]


def test_no_jobs_are_no_results():
    assert each(square, [], 3, "x", progress=False, **KEPT) == []


@pytest.mark.parametrize("count", [1, 2])
def test_the_first_error_ends_all_and_shows_where_it_was_raised(count):
    with pytest.raises(ValueError, match="bad 2") as caught:
        each(fail_at_two, list(range(4)), count, "x", progress=False, fork=True, **KEPT)
    if count == 2:
        assert "in fail_at_two" in str(caught.value.__cause__)


def test_an_error_or_result_that_cannot_travel_is_told_as_text():
    with pytest.raises(RuntimeError, match="AwkwardError: 1 and 2"):
        each(awkward, [0, 1], 2, "x", progress=False, fork=True, **KEPT)
    with pytest.raises((AttributeError, RuntimeError), match="lambda"):
        each(a_lambda, [0, 1], 2, "x", progress=False, fork=True, **KEPT)


@pytest.mark.parametrize("fork", [False, True], ids=["spawn", "fork"])
def test_a_killed_worker_fails_its_job_alone_and_is_replaced(fork):
    with Pool(2, fork=fork, **KEPT) as pool:
        found = {event.job: event for event in pool.run(die_at_one, [1, 0, 1, 2, 1, 3])}
        assert len(pool._workers) <= 2
    assert [found[job].content for job in (1, 3, 5)] == [0, 2, 3]
    for job in (0, 2, 4):
        assert found[job].kind == "failed" and isinstance(found[job].content, WorkerKilledError)
        assert "killed, perhaps for lack of memory (signal 9)" in str(found[job].content)
        assert str(found[job].content).endswith("what is written is kept.")


def test_a_worker_that_leaves_by_itself_is_told_with_its_exit_code():
    with pytest.raises(WorkerKilledError, match="ended by itself, with exit code 3"):
        each(leave_at_one, [1, 0], 2, "x", progress=False, fork=True, **KEPT)


def test_reports_come_before_the_result_of_their_job():
    with Pool(2, fork=True, **KEPT) as pool:
        events = list(pool.run(talk, [7, 8]))
    for job, number in enumerate((7, 8)):
        own = [(event.kind, event.content) for event in events if event.job == job]
        assert own == [*(("report", (number, step)) for step in range(3)), ("done", -number)]
    with pytest.raises(RuntimeError, match="this is none"):
        workers.report("here")


@pytest.mark.parametrize("fork", [False, True], ids=["spawn", "fork"])
def test_a_worker_computes_on_one_thread(fork):
    assert each(threads, [0, 1], 2, "x", progress=False, fork=fork, **KEPT) == [{1}, {1}]


def test_all_workers_start_at_once_and_serve_several_runs():
    with Pool(3, fork=True, **KEPT) as pool:
        assert len({worker.process.pid for worker in pool._workers}) == 3
        first, second = ({event.content for event in pool.run(pid, list(range(9)))} for _ in range(2))
        processes = [worker.process for worker in pool._workers]
    assert first | second <= {process.pid for process in processes}
    assert [process.exitcode for process in processes] == [0, 0, 0]


@pytest.mark.parametrize("raises", [True, False])
def test_leaving_the_block_ends_workers_at_once(raises):
    begun = time.monotonic()
    with pytest.raises(KeyError) if raises else pytest.MonkeyPatch.context(), Pool(2, fork=True, **KEPT) as pool:
        for _, event in zip(range(1), pool.run(_report_and_sleep, [0, 1]), strict=False):
            assert event.kind == "report"
        processes = [worker.process for worker in pool._workers]
        if raises:
            raise KeyError
    assert time.monotonic() - begun < 60
    assert [process.exitcode for process in processes] == [-signal.SIGKILL] * 2


def _report_and_sleep(_):
    workers.report("here")
    time.sleep(600)


def test_what_a_worker_prints_is_not_lost_at_its_end(capfd, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    each(_print, [0, 1], 2, "x", progress=False, **KEPT)
    assert capfd.readouterr().out.count("printed at the end") == 2


def _print(_):
    print("printed at the end", end="")
