"""Labels: integer codes, classes, and rows that have none."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from skaae._labels import codes_of, encode_labels, mark_unlabeled, one_hot


def encoded(y):
    classes, codes = encode_labels(mark_unlabeled(y))
    return classes.tolist(), codes.tolist()


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        ([2, 0, 2], [0, 2], [1, 0, 1]),
        ([-1, 0, 5], [0, 5], [-1, 0, 1]),
        ([-1.0, 0.0, 5.0], [0.0, 5.0], [-1, 0, 1]),
        ([-1, 1, 1], [-1, 1], [0, 1, 1]),
        ([-1, -1], [-1], [0, 0]),
        ([True, False], [False, True], [1, 0]),
        (["b", "", "a"], ["a", "b"], [1, -1, 0]),
        (["a", "", "a"], ["a"], [0, -1, 0]),
        (np.array(["b", None, "a", np.nan, -1], dtype=object), ["a", "b"], [1, -1, 0, -1, -1]),
        (np.array([3, None, 4], dtype=object), [3, 4], [0, -1, 1]),
        (pd.Series(["b", None, "a"], dtype="string"), ["a", "b"], [1, -1, 0]),
        (pd.Series([3, None, 4], dtype="Int64"), [3, 4], [0, -1, 1]),
        (pd.Categorical(["b", None, "a"]), ["a", "b"], [1, -1, 0]),
        (np.array([-1, 1, 1], dtype=object), [-1, 1], [0, 1, 1]),
        (np.array([-1, 1, None], dtype=object), [-1, 1], [0, 1, -1]),
        (["a", "b", -1], ["a", "b"], [0, 1, -1]),
        (["-1", "b"], ["-1", "b"], [0, 1]),
    ],
)
def test_classes_are_sorted_and_rows_without_label_are_minus_one(y, classes, codes):
    assert encoded(y) == (classes, codes)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["", ""], "at least one row with a label"),
        ([0.5, 1.5, 2.5], "Unknown label type"),
        (np.array(["a", 1], dtype=object), "mixture|Unknown label type"),
    ],
)
def test_what_is_no_label_is_refused(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        encoded(y)


def test_labels_find_their_codes():
    classes = np.array(["a", "b"])
    assert codes_of(["b", "a"], classes, 2).tolist() == [1, 0]
    assert codes_of("b", classes, 3).tolist() == [1, 1, 1]


def test_a_frame_of_one_column_is_a_column():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert encoded(pd.DataFrame({"y": [2, 0]})) == ([0, 2], [1, 0])


@pytest.mark.parametrize(("y", "codes"), [([3, -1], [1, -1]), ([None, 2], [-1, 0]), (-1, [-1, -1])])
def test_rows_without_label_have_a_code_where_that_is_allowed(y, codes):
    assert codes_of(y, np.array([2, 3]), 2, allow_unlabeled=True).tolist() == codes


@pytest.mark.parametrize(
    ("y", "message"),
    [("c", r"among \['a', 'b'\], got \['c'\]"), (["a"] * 3, r"2 of them.*shape \(3,\)")],
)
def test_unknown_labels_and_wrong_numbers_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        codes_of(y, np.array(["a", "b"]), 2)


def test_one_hot_rows_without_label_are_zero_or_have_a_column_of_their_own():
    codes = torch.tensor([1, -1, 0])
    assert one_hot(codes, 2).tolist() == [[0, 1], [0, 0], [1, 0]]
    assert one_hot(codes, 2, unlabeled_column=True).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
