"""The watch over loading sees what a file may do; else that nothing is seen would say nothing."""

import contextlib
import os
import pickle
import subprocess
import sys

import pytest
from watching import actions, cost

ACTIONS = {
    "a file": lambda path: open(path, "w").close(),
    "a descriptor": lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)),
    "a folder": lambda path: path.mkdir(),
    "a process": lambda path: subprocess.run([sys.executable, "-c", ""], check=True),
    "a shell": lambda path: os.system("true"),
    "code": lambda path: exec("1"),
    "a module": lambda path: __import__("this_is_none"),
    "a pickle": lambda path: pickle.loads(b"cos\ngetpid\n."),
}


@pytest.mark.parametrize("case", ACTIONS)
def test_actions_are_seen(tmp_path, case):
    with actions() as found, contextlib.suppress(ImportError):
        ACTIONS[case](tmp_path / "new")
    assert found


def test_a_file_that_is_read_is_no_action():
    with actions() as found, open(__file__) as file:
        file.read()
    assert found == []


def test_memory_below_an_earlier_peak_is_seen():
    bytes(2**27)
    with cost() as found:
        bytearray(b"x") * 2**26
    if found.memory is None:
        pytest.skip("this system does not tell a peak anew")
    assert 2**25 < found.memory < 2**27
