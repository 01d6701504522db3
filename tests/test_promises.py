"""The tests that the page of promises names are there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parent / "docs" / "guide" / "promises.rst").read_text()
NAMED = sorted(set(re.findall(r"``(test_\w+\.py)(?:::(\w+))?``", PAGE)))


def test_promises_name_tests():
    assert len(NAMED) > 25


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_is_there(file, name):
    text = (HERE / file).read_text()
    assert not name or re.search(rf"^def {name}\(", text, re.MULTILINE)
