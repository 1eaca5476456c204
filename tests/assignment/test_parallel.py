"""One submission each at a time for workers that are made here, and may die."""

from types import SimpleNamespace

import pytest
from distributed import KilledWorker
from grading import parallel
from grading.converter import Stopped
from grading.learned import Times
from grading.parallel import grade_all
from grading.worker import Done

GRADED, BEFORE, NOTHING = "graded", "as before", "not gradable"
RUN = object()


def done(state, reason=""):
    return Done(state, reason, 2.0, (), (), Times(True, 1, False, 240))


class Asked:
    """A submission that a worker has."""

    def __init__(self, student, result):
        self.student, self._result = student, result

    def result(self):
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


class Workers:
    """So many, which end what they were asked in its order. What comes out is what stands for each student."""

    def __init__(self, count, **results):
        self.count, self.results = count, results
        self.asked, self.cell_times, self.most, self.cancelled = [], [], 0, []

    def nthreads(self):
        return dict.fromkeys(range(self.count), 1)

    def submit(self, function, run, student, cell_time, pure):
        assert (function, run, pure) == (parallel.worker.grade, RUN, False)
        self.asked.append(student)
        self.cell_times.append(cell_time)
        return Asked(student, self.results.get(student, [done(GRADED)]).pop(0))

    def cancel(self, futures):
        self.cancelled = [future.student for future in futures]

    def wait(self, running, timeout, return_when):
        assert return_when == "FIRST_COMPLETED"
        self.most = max(self.most, len(running))
        return SimpleNamespace(done=running[:1])


class Watcher:
    def __init__(self):
        self.seen, self.ends, self.dones = [], [], []

    def cell_time(self):
        return 240 - len(self.ends)

    def running(self, students):
        self.seen.append(list(students))

    def ended(self, outcome, done):
        self.ends.append(outcome)
        self.dones.append(done)


@pytest.fixture
def graded(monkeypatch):
    def grade(workers, students):
        monkeypatch.setattr(parallel, "wait", workers.wait)
        watcher = Watcher()
        grade_all(workers, RUN, students, watcher)
        return watcher

    return grade


def test_each_worker_has_one_at_a_time(graded):
    workers = Workers(2)
    watcher = graded(workers, list("abcde"))
    assert workers.most == 2 and workers.asked == list("abcde")
    assert [(one.student, one.state, one.seconds, one.tries) for one in watcher.ends] == [
        (student, GRADED, 2.0, 1) for student in "abcde"
    ]
    assert watcher.seen == [["a", "b"], ["b", "c"], ["c", "d"], ["d", "e"], ["e"]]
    assert workers.cell_times == [240, 240, 239, 238, 237]
    assert workers.cancelled == []


def test_workers_that_come_later_get_some_and_where_there_are_none_one_waits(graded, monkeypatch):
    workers = Workers(0)
    waited = workers.wait

    def wait(running, **how):
        if workers.count == 0:
            workers.count = 3
            raise TimeoutError
        return waited(running, **how)

    monkeypatch.setattr(workers, "wait", wait)
    watcher = graded(workers, list("abcde"))
    assert watcher.seen[:2] == [["a"], ["a", "b", "c"]] and len(watcher.ends) == 5


def dies():
    return KilledWorker("grade", None, 1)


def test_what_ends_its_worker_is_tried_three_times_after_the_others(graded, monkeypatch):
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr(parallel, "monotonic", lambda: next(clock))
    workers = Workers(1, a=[dies(), dies(), dies(), done(GRADED)])
    watcher = graded(workers, ["a", "b", "c"])
    assert workers.asked == ["a", "b", "c", "a", "a"]
    assert [(one.student, one.state) for one in watcher.ends] == [("b", GRADED), ("c", GRADED), ("a", "lost")]
    lost = watcher.ends[-1]
    assert (lost.reason[:9], lost.tries, lost.seconds) == ("3 workers", 3, 21) and watcher.dones[-1] is None


def test_a_second_try_that_finds_it_graded_was_graded_in_this_run(graded, monkeypatch):
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr(parallel, "monotonic", lambda: next(clock))
    workers = Workers(1, a=[dies(), done(BEFORE)], b=[done(BEFORE)], c=[dies(), done(NOTHING, "empty")])
    watcher = graded(workers, ["a", "b", "c"])
    assert {one.student: (one.state, one.reason, one.tries) for one in watcher.ends} == {
        "a": (GRADED, "", 2),
        "b": (BEFORE, "", 1),
        "c": (NOTHING, "empty", 2),
    }
    assert {one.student: one.seconds for one in watcher.ends} == {"a": 9, "b": 2, "c": 9}
    assert watcher.dones[-1].reason == "empty"


def test_where_there_is_no_point_in_going_on_the_rest_is_called_off(graded):
    workers = Workers(3, a=[Stopped("no gradebook")])
    with pytest.raises(Stopped):
        graded(workers, list("abcde"))
    assert workers.asked == ["a", "b", "c"] and workers.cancelled == ["b", "c"]
