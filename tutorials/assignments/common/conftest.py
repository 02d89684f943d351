"""Prints the points after the tests. A case that is lost is told with them, every other failure by pytest itself."""

from pathlib import Path

from course import report

HERE = Path(__file__).resolve().parent
OUTCOMES = []


def pytest_report_teststatus(report):
    if report.when == "call" and report.failed and "test_points.py::test_case[" in report.nodeid:
        return "cases lost", "F", "LOST"
    return None


def pytest_terminal_summary(terminalreporter):
    import test_points

    if OUTCOMES:
        terminalreporter.write_line("")
        terminalreporter.write_line(report.faults(OUTCOMES))
        terminalreporter.write_line("")
        terminalreporter.write_line(report.table(test_points.SHEET.outline, OUTCOMES))
