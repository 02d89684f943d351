"""What marks an assignment, the same code in the student's folder, in the grader and on Gradescope.

`build` copies this room into the zips, under the name `course`; it needs NumPy alone, and nothing else of minifcn.
"""

from .cases import Case
from .expected import Expect
from .questions import question
from .submitted import student

__all__ = ["Case", "Expect", "question", "student"]
