"""Prints the points after the tests."""

from pathlib import Path

from course import report

HERE = Path(__file__).resolve().parent
OUTCOMES = []


def pytest_terminal_summary(terminalreporter):
    import test_points

    if OUTCOMES:
        terminalreporter.write_line("")
        terminalreporter.write_line(report.faults(OUTCOMES))
        terminalreporter.write_line("")
        terminalreporter.write_line(report.table(test_points.SHEET.outline, OUTCOMES))
