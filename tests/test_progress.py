"""Lines of a log, one an epoch."""

import logging

import pytest

from skaae.training import Progress
from skaae.training._progress import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.6, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185.0, "3 min 5 s"),
        (3_599.0, "59 min 59 s"),
        (3_600.0, "1 h 0 min"),
        (7_800.0, "2 h 10 min"),
        (360_000.0, "100 h 0 min"),
    ],
)
def test_durations_are_as_people_say_them(seconds, text):
    assert duration(seconds) == text


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the times at which the progress looks."""

    def at(*times):
        left = iter(times)
        monkeypatch.setattr("skaae.training._progress.time.perf_counter", lambda: next(left))

    return at


def entry(epoch, **values):
    return {"epoch": epoch, "learning_rate": 0.5, "seconds": 2.0, **values}


def test_time_left_is_by_the_epochs_seen_here(caplog, clock):
    """A fit that goes on from a checkpoint has not seen those before."""
    clock(100.0, 104.0, 110.0)
    progress = Progress(32, 5_000)
    assert progress.end_epoch([{}, entry(20, a=1.0)]) is False
    assert progress.end_epoch([{}, entry(22, a=123456.0, b=2.0)]) is False
    assert caplog.messages == [
        "epoch 20 of 32: a 1 (2,500 rows/s, 48 s left)",
        "epoch 22 of 32: a 1.235e+05, b 2 (2,500 rows/s, 50 s left)",
    ]


def test_an_epoch_of_no_time_has_a_speed_all_the_same(caplog, clock):
    clock(0.0, 0.0)
    Progress(2, 5).end_epoch([{**entry(1), "seconds": 0.0}])
    assert caplog.messages == ["epoch 1 of 2:  (5,000,000,000 rows/s, 0 s left)"]


def test_where_nobody_listens_lines_are_printed_once(monkeypatch, capsys):
    public = logging.getLogger("skaae")
    before = list(public.handlers), public.level
    monkeypatch.setattr(logging.Logger, "hasHandlers", lambda logger: False)
    Progress(2, 5).end_epoch([entry(1, a=1.0)])
    found = capsys.readouterr()
    assert found.out.startswith("epoch 1 of 2: a 1 (2 rows/s, ")
    assert found.out.count("\n") == 1
    assert found.err == ""
    assert (public.handlers, public.level) == before


def test_who_listens_hears_them_and_nothing_is_printed(capsys):
    heard = []

    class Listening(logging.Handler):
        def emit(self, record):
            heard.append((record.name, record.levelno, record.getMessage().split(":")[0]))

    listening = Listening()
    logging.getLogger("skaae").addHandler(listening)
    try:
        Progress(2, 5).end_epoch([entry(1)])
    finally:
        logging.getLogger("skaae").removeHandler(listening)
    assert heard == [("skaae.fit", logging.INFO, "epoch 1 of 2")]
    assert capsys.readouterr().out == ""
