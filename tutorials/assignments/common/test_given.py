"""Whether what was given works where you are: these pass before you have written a line."""

from pathlib import Path

import numpy as np
import pytest
from course import submitted
from test_points import SHEET

from minifcn import gradcheck


def test_gradcheck_knows_right_from_wrong():
    x = {"x": np.random.default_rng(0).normal(size=(2, 3))}
    assert gradcheck.check(lambda x: (x * x, x), lambda dy, x: (2 * x * dy,), x).passed
    assert not gradcheck.check(lambda x: (x * x, x), lambda dy, x: (x * dy,), x).passed


def test_numpy_is_new_enough():
    assert tuple(map(int, np.__version__.split(".")[:2])) >= (1, 26), "pip install --upgrade numpy"


@pytest.mark.parametrize("file", SHEET.files)
def test_what_your_files_import_is_there_where_they_are_marked(file):
    missing = ""
    try:
        submitted.load(Path(file).stem)
    except ImportError as error:
        missing = str(error)
    except (Exception, SystemExit):
        pass  # the cases tell
    if missing:
        pytest.fail(missing, pytrace=False)
