"""helpers.checks: which integers are taken, and as what; which labels. Bad images and networks are in bad_input/."""

import numpy as np
import pytest
import torch

from helpers.checks import as_integers, check_count, check_integer, check_labels
from helpers.lenet5 import LeNet5
from helpers.training import fit, predict


@pytest.mark.parametrize("check", [check_integer, check_count])
@pytest.mark.parametrize("three", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)], ids=repr)
def test_an_integer_of_any_library_comes_back_as_pythons(three, check):
    checked = check("count", three)
    assert checked == 3 and type(checked) is int


@pytest.mark.parametrize("check", [check_integer, check_count])
@pytest.mark.parametrize(
    "other",
    [True, False, np.True_, torch.tensor(True), 3.0, np.float64(3), torch.tensor(3.0), "3", None, [3], np.array([3])],
    ids=repr,
)
def test_nothing_else_is_an_integer(other, check):
    with pytest.raises(TypeError) as error:
        check("count", other)
    assert str(error.value) == f"count is {other!r}; it must be an integer"
    # The reader sees no second traceback above it.
    assert error.value.__suppress_context__


def test_a_count_is_above_zero():
    assert check_count("count", 1) == 1 and check_integer("start", 0) == 0 and check_integer("start", -2) == -2
    for count in (0, -1, np.int64(0)):
        with pytest.raises(ValueError, match=f"^count is {count}; it must be above zero$"):
            check_count("count", count)


@pytest.mark.parametrize(
    "values",
    [[0, 2], (0, 2), range(0, 3, 2), torch.Size([0, 2]), np.array([0, 2], np.uint8), torch.tensor([0, 2])],
    ids=repr,
)
def test_a_sequence_an_array_or_a_tensor_becomes_a_list(values):
    integers = as_integers(values)
    assert integers == [0, 2] and {type(value) for value in integers} == {int}


def test_nothing_is_a_sequence_too():
    assert as_integers([]) == as_integers(np.array([], int)) == as_integers(torch.tensor([], dtype=torch.int64)) == []


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([5, 3], TypeError, "labels are list; a test needs a tensor of int64, the numbers of the classes"),
        (
            torch.tensor([5, 3], dtype=torch.int32),
            TypeError,
            "labels are torch.int32; a test needs a tensor of int64, ",
        ),
        (torch.tensor([5.0, 3.0]), TypeError, "labels are torch.float32; a test needs a tensor of int64"),
        (torch.tensor([[5], [3]]), ValueError, r"labels have the shape \(2, 1\); a test needs one label for each of 2"),
        (torch.tensor([5]), ValueError, r"labels have the shape \(1,\); a test needs one label for each of 2 images"),
        (torch.tensor([5, -3]), ValueError, "labels hold -3; a test needs the numbers of the classes, from 0"),
    ],
    ids=str,
)
def test_labels_that_are_none_are_refused(labels, error, message):
    with pytest.raises(error, match=f"^{message}"):
        check_labels(labels, torch.zeros(2, 1, 4, 4), "a test")


def test_counts_of_numpy_reach_pytorch_as_pythons(images):
    """Its schedules of the learning rate take no others."""
    history = fit(LeNet5(), images, torch.arange(20) % 10, epochs=np.int64(2), batch_size=np.int64(8))
    assert len(history.losses) == 2 * 3
    assert predict(LeNet5(), images, batch_size=np.int64(7)).shape == (20, 10)
