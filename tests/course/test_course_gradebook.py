"""Grades as tables: what Canvas, Moodle and others export, and our own."""

import csv
import unicodedata

import pytest

from minifcn.course import gradebook
from minifcn.course.table import Table
from minifcn.errors import ConfigError

CANVAS = '\ufeffStudent,ID,Section,A1 (7)\r\nPoints Possible,,,100\r\n"Doe, Jane",12,S1,\r\n"Poe, Max",77,S1,3\r\n'


def test_points_go_into_an_exported_gradebook_and_all_else_stays(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_bytes(CANVAS.encode())
    filled = gradebook.fill(path, "ID", "A1 (7)", {("doejane", "12"): 87.5, ("stranger",): 3.0})
    assert filled == (1, [("stranger",)])
    assert path.read_bytes().decode() == CANVAS.replace("12,S1,", "12,S1,87.5")


def test_a_gradebook_of_semicolons_is_matched_by_names_whatever_their_case(tmp_path):
    path = tmp_path / "moodle.csv"
    path.write_text("Full name;Grade\nmax  poe;\n")
    assert gradebook.fill(path, "Full name", "Grade", {("Max Poe", "Participant 77"): 12.5}).rows == 1
    assert path.read_text() == "Full name;Grade\nmax  poe;12.5\n"


@pytest.mark.parametrize(
    ("key", "column", "told"),
    [
        ("Id", "A1 (7)", "no column 'Id'"),
        ("ID", "A1", "no column 'A1'"),
        ("ID", "ID ", "give another --column"),
        ("Section", "A1 (7)", "in several rows"),
    ],
)
def test_a_gradebook_that_does_not_fit_is_left_as_it_was(key, column, told, tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_bytes(CANVAS.encode())
    with pytest.raises(ConfigError, match=told):
        gradebook.fill(path, key, column, {("S1", "12"): 1.0})
    assert path.read_bytes() == CANVAS.encode()


def test_two_submissions_for_one_row_are_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_bytes(CANVAS.encode())
    points = {("doejane", "12"): 1.0, ("doejane-2", "12"): 2.0}
    for claim in (gradebook.check, gradebook.fill):
        with pytest.raises(ConfigError, match=r"'doejane' \(12\) and 'doejane-2' \(12\), claim the row of '12'"):
            claim(path, "ID", "A1 (7)", points)
    assert path.read_bytes() == CANVAS.encode()


def test_rows_are_matched_whatever_wrote_the_numbers_and_the_accents(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text(f"Nam{unicodedata.normalize('NFD', 'é')},ID,P\nZo{unicodedata.normalize('NFD', 'ë')},1201.0,\n")
    assert gradebook.fill(path, "ID", "P", {("x", "1201"): 7.0}).rows == 1
    assert gradebook.fill(path, "Namé", "P", {("ZOË",): 8.0}).rows == 1
    assert path.read_text().endswith(",1201.0,8\n")


def test_essays_and_semicolons_do_not_confuse_the_columns(tmp_path):
    path = tmp_path / "moodle.csv"
    essay = "a; b;" * 40_000
    path.write_text(f'Identifier,"Grade; a, b; or c; d; e","Online; text"\nParticipant 7,,"{essay}"\n')
    limit = csv.field_size_limit()
    assert gradebook.fill(path, "Identifier", "Grade; a, b; or c; d; e", {("Jo", "Participant 7"): 5.0}).rows == 1
    assert f"Participant 7,5,{essay}\n" in path.read_text() and csv.field_size_limit() == limit


def test_the_row_of_the_most_points_is_no_student(tmp_path):
    path = tmp_path / "canvas.csv"
    text = "Student,Section,P\n    Points Possible,S1,100\nJo,S1,\n"
    path.write_text(text)
    assert gradebook.fill(path, "Section", "P", {("S1",): 5.0}).rows == 1
    assert path.read_text() == text.replace("Jo,S1,", "Jo,S1,5")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (CANVAS.encode("utf-16"), "this is UTF-16, or no text at all; export it again, or save it in the spreadsheet"),
        ("ID,Name,A1 (7)\n12,Zoë,\n".encode("latin-1"), 'Latin-1 .* save it in the spreadsheet as "CSV UTF-8"'),
        (b"ID,A1 (7),A1 (7)\n12,,\n", r"2 columns are called 'A1 \(7\)'; rename all but one"),
        (b"ID,ID,A1 (7)\n12,,\n", "2 columns are called 'ID'"),
        (b"", "no column 'ID'"),
    ],
)
def test_a_gradebook_that_cannot_be_read_comes_with_advice(raw, told, tmp_path):
    (tmp_path / "book.csv").write_bytes(raw)
    with pytest.raises(ConfigError, match=told):
        gradebook.check(tmp_path / "book.csv", "ID", "A1 (7)", [("x", "12")])


COLUMNS = ["student", "points", "message", "assignment"]


def row(student, points, message="", assignment="toy"):
    return dict(zip(COLUMNS, (student, points, message, assignment), strict=True))


def test_the_table_of_grades_is_no_formula_and_holds_any_text(tmp_path):
    path = tmp_path / "grades.csv"
    table = Table(path, COLUMNS, "toy", ["=1+1", 'a "b", c'])
    table.add(row("=1+1", -3.0, "\ud800 \x1b[31m \x00\n\r"))
    table.add(row('a "b", c', 4.0, "\t=cmd()"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = [*csv.reader(file)][1:]
    assert rows == [["'=1+1", "-3.0", "\\ud800 \\x1b[31m \\x00\n\\r", "toy"], ['a "b", c', "4.0", "\\t=cmd()", "toy"]]


def test_rows_of_an_earlier_run_stay_until_their_students_are_marked(tmp_path):
    path = tmp_path / "grades.csv"
    for points in (1.0, 2.0):
        table = Table(path, COLUMNS, "toy", ["a", "=b", "c"])
        for student in ("=b", "a", "c")[: 3 if points == 1 else 1]:
            table.add(row(student, points, "two\nlines"))
    with path.open(newline="", encoding="utf-8") as file:
        assert [(r["student"], r["points"]) for r in csv.DictReader(file)] == [
            ("a", "1.0"),
            ("'=b", "2.0"),
            ("c", "1.0"),
        ]
    before = path.read_bytes()
    for assignment, students, told in (
        ("other", ["a", "=b", "c"], "grades of toy"),
        ("toy", ["a"], "2 students not among"),
    ):
        with pytest.raises(ConfigError, match=told):
            Table(path, COLUMNS, assignment, students)
    path.with_name("x.csv").write_text("Student,ID\n")
    with pytest.raises(ConfigError, match="is no table of grades"):
        Table(path.with_name("x.csv"), COLUMNS, "toy", ["a"])
    assert path.read_bytes() == before
