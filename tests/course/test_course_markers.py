"""What students get of a source, and what is refused before anybody gets it."""

import pytest

from minifcn.course import markers
from minifcn.errors import ConfigError

SOURCE = '''"""A file."""

KEPT = 1
ANSWER = None
# BEGIN SOLUTION
ANSWER = 1234567890
# END SOLUTION


def f(x):
    """Contract."""
    # BEGIN SOLUTION
    doubled = x + x  # said once
    return doubled
    # END SOLUTION


def g(x):
    return f(x)
'''


def test_a_stub_has_all_but_the_solutions():
    stub = markers.stub(SOURCE, "f.py")
    assert 'def f(x):\n    """Contract."""\n    raise NotImplementedError("f")\n\n\ndef g(x)' in stub
    assert "ANSWER = None\n# Your answer here\n" in stub
    assert "doubled" not in stub and "1234567890" not in stub and "SOLUTION" not in stub
    compile(stub, "f.py", "exec")


def test_lines_of_a_solution_are_known():
    assert markers.solution_lines(SOURCE) == {"ANSWER = 1234567890", "doubled = x + x # said once", "return doubled"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    # END SOLUTION", "", "f.py:12: # BEGIN SOLUTION without an # END SOLUTION"),
        ("    # BEGIN SOLUTION", "", "f.py:15: # END SOLUTION without a # BEGIN"),
        ("    doubled = x", "    # BEGIN SOLUTION\n    doubled = x", "within the solution that begins in line 12"),
        ("    # BEGIN SOLUTION", "    # BEGIN SOLUTON", "no marker"),
        ("    # BEGIN SOLUTION", "    # begin solution", "no marker"),
        ("    # BEGIN SOLUTION", "    #BEGIN SOLUTION", "no marker"),
        ("    # BEGIN SOLUTION", "    # BEGIN SOLUTION:", "no marker"),
        ("    # BEGIN SOLUTION", "    # BEGIN_SOLUTION", "no marker"),
        ("    # END SOLUTION", "    # END OF SOLUTION", "no marker"),
        ("    # END SOLUTION", "    ### END SOLUTION ###", "no marker"),
        ("# said once", "# END SOLUTION", "no marker"),
    ],
)
def test_a_marker_that_is_wrong_is_refused_with_its_line(old, new, told):
    assert old in SOURCE
    with pytest.raises(ConfigError, match=r"f\.py:\d+: ") as refused:
        markers.stub(SOURCE.replace(old, new), "f.py")
    assert told in str(refused.value)


def test_a_source_without_a_solution_is_refused():
    with pytest.raises(ConfigError, match="students would get all of it"):
        markers.stub("x = 1\n", "f.py")


@pytest.mark.parametrize("comment", ["# the solution of the equation", "# begin with the last layer", "# END of a run"])
def test_comments_that_speak_of_solutions_are_no_markers(comment):
    assert comment in markers.stub(f"{comment}\n{SOURCE}", "f.py")
