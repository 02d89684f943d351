"""What is found in a folder of submissions, whatever was uploaded, and what is said of it."""

import io
import os
import zipfile

import pytest

from minifcn.course.submissions import collect
from minifcn.errors import ConfigError

RIGHT = "def twice(x):\n    return 2 * x\n"


def test_submissions_are_found_as_canvas_moodle_and_gradescope_name_them(tmp_path):
    (tmp_path / "doejane_LATE_12_345_toy-1.py").write_text(RIGHT)
    (tmp_path / "Max Poe_77_assignsubmission_file_").mkdir()
    (tmp_path / "Max Poe_77_assignsubmission_file_" / "toy.py").write_text(RIGHT)
    (tmp_path / "submission_99" / "inner").mkdir(parents=True)
    (tmp_path / "submission_99" / "inner" / "toy.py").write_text(RIGHT)
    (tmp_path / "ann_toy.py").write_text(RIGHT)
    with zipfile.ZipFile(tmp_path / "roe_13_346_mine.zip", "w") as archive:
        archive.writestr("toy/toy.py", RIGHT)
        archive.writestr("../../escape.py", "x")
        archive.writestr("__MACOSX/toy/toy.py", "x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_text("no zip")
    (tmp_path / ".DS_Store").write_text("")
    found = {submission.names: submission for submission in collect(tmp_path, ["toy.py"])}
    right = [("doejane", "12"), ("Max Poe", "Participant 77", "77"), ("submission_99",), ("ann",), ("roe", "13")]
    for names in right:
        assert found[names].files == {"toy.py": RIGHT.encode()}, names
    assert found[("empty",)].note == "missing: toy.py; handed in: nothing"
    assert "cannot be unpacked" in found[("broken",)].note
    assert len(found) == 7


def test_a_folder_without_submissions_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no submissions in it"):
        collect(tmp_path, ["toy.py"])
    with pytest.raises(ConfigError, match="no such folder"):
        collect(tmp_path / "nowhere", ["toy.py"])


def put(folder, files):
    """Write files, by their paths; a folder where the path ends with a slash."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else bytes(content))


def zipped(files, method=zipfile.ZIP_DEFLATED):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return bytearray(memory.getvalue())


def spoilt(data, begin=40, end=60):
    data[begin:end] = bytes(byte ^ 0x5A for byte in data[begin:end])
    return bytes(data)


def directory(data, offset, value):
    """Change the archive's directory, and the same field of the entry, which lies two bytes earlier there."""
    at = data.index(b"PK\x01\x02")
    data[at + offset : at + offset + len(value)] = value
    data[offset - 2 : offset - 2 + len(value)] = value
    return bytes(data)


TEXT = "x = 1\n" * 500
ARCHIVES = {
    "deflate": (spoilt(zipped({"toy.py": TEXT})), "cannot be read (error: "),
    "bzip2": (spoilt(zipped({"toy.py": TEXT}, zipfile.ZIP_BZIP2)), "cannot be read ("),
    "lzma": (spoilt(zipped({"toy.py": TEXT}, zipfile.ZIP_LZMA)), "cannot be read (LZMAError"),
    "cut": (bytes(zipped({"toy.py": TEXT})[:50]), "cannot be unpacked (BadZipFile"),
    # By which error this is found depends on Python.
    "ends early": (directory(zipped({"toy.py": TEXT}, 0), 20, b"\xff\xff\0\0\xff\xff"), "cannot be read ("),
    "encrypted": (
        directory(zipped({"toy.py": TEXT}), 8, b"\x01"),
        "b.zip/toy.py is encrypted",
    ),
    "unknown method": (directory(zipped({"toy.py": TEXT}), 10, b"\x62"), "cannot be read (NotImplementedError"),
    "bad name": (
        bytes(zipped({"é.py": ""}).replace("é".encode(), b"\xff\xff")),
        "unpacked (UnicodeDecodeError",
    ),
    "empty": (b"", "cannot be unpacked (BadZipFile"),
    "a bomb": (bytes(zipped({"toy.py": bytes(20 << 20)})), "b.zip/toy.py is larger than 1 MiB (20.0 MiB)"),
    "leads out": (bytes(zipped({"../toy.py": RIGHT, "/etc/toy.py": RIGHT})), "b.zip/../toy.py leads out of the zip"),
    "a zip in it": (
        bytes(zipped({"in.zip": zipped({"toy.py": RIGHT})})),
        "in.zip is an archive within",
    ),
    "rar": (b"Rar!", "b.rar is an archive that is not opened; expected a zip"),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_a_bad_archive_costs_its_author_alone(what, tmp_path):
    content, told = ARCHIVES[what]
    put(tmp_path, {"a/toy.py": RIGHT, "b.rar" if what == "rar" else "b.zip": content, "c/toy.py": RIGHT})
    a, b, c = collect(tmp_path, ["toy.py"])
    assert a.files == c.files == {"toy.py": RIGHT.encode()}
    assert (b.names, b.files) == (("b",), {})
    assert told in b.note


def test_links_in_an_upload_are_not_followed(tmp_path):
    (tmp_path / "elsewhere.py").write_text(RIGHT)
    came = tmp_path / "came"
    put(came, {"a/": "", "b/inner/toy.py": RIGHT})
    (came / "a" / "toy.py").symlink_to(tmp_path / "elsewhere.py")
    (came / "a" / "all").symlink_to(tmp_path)
    (came / "c").symlink_to(tmp_path)
    linked = zipfile.ZipInfo("toy.py")
    linked.external_attr, linked.create_system = 0o120777 << 16, 3
    with zipfile.ZipFile(came / "d.zip", "w") as archive:
        archive.writestr(linked, str(tmp_path / "elsewhere.py"))
    os.mkfifo(came / "e_toy.py")  # who reads it waits for ever
    a, b, c, d, e = collect(came, ["toy.py"])
    assert b.files and not (a.files or c.files or d.files or e.files)
    assert "toy.py is a link, and is not followed; all is a link" in a.note
    assert "is a link" in c.note and "is a link" in d.note and "is not a file" in e.note


@pytest.mark.parametrize(
    "name", ["toy.txt", "toy.ipynb", "toy.md", "toy.PY", "Toy.py", "my toy.py", "cases.py", "toy.py.txt"]
)
def test_a_file_of_another_name_is_not_taken_and_the_message_says_so(name, tmp_path):
    put(tmp_path, {f"anna/{name}": RIGHT, f"bert_12_345_{name}": RIGHT, f"carl_toy/{name}": RIGHT})
    for made in collect(tmp_path, ["toy.py"]):
        assert made.files == {}
        assert f"missing: toy.py; handed in: {name if made.names[0] != 'bert' else 'bert_12_345_' + name}" in made.note
        assert "names must be as they were handed out" in made.note


def test_loose_files_belong_to_whom_their_names_say(tmp_path):
    put(tmp_path, {"anna_1_100_cases.py": "x", "anna_1_101_toy.py": RIGHT, "hal_toy.py": RIGHT, "hal_notes.py": "x"})
    put(tmp_path, {"ida_toy.txt": RIGHT, "jo.rar": "x", "kim_LATE_2_102_toy-2.py": RIGHT, "lea_toy (1).py": RIGHT})
    put(tmp_path, {"README.md": "x", "grades.csv": "x", "max.py": RIGHT})
    found = {made.names: made for made in collect(tmp_path, ["toy.py"])}
    assert {*found} == {("anna", "1"), ("hal",), ("ida",), ("jo",), ("kim", "2"), ("lea",), ("max",)}
    assert {names[0] for names, made in found.items() if made.files} == {"anna", "hal", "kim", "lea"}
    assert all(made.files["toy.py"] == RIGHT.encode() for made in found.values() if made.files)


def test_what_a_student_typed_for_moodle_is_not_another_student(tmp_path):
    put(
        tmp_path, {"Jo Doe_7_assignsubmission_file_/toy.py": RIGHT, "Jo Doe_7_assignsubmission_onlinetext_/a.html": "x"}
    )
    put(tmp_path, {"Jo Doe_8_assignsubmission_file_toy.py": RIGHT})  # without folders; and of the same name
    found = collect(tmp_path, ["toy.py"])
    assert [(made.student, bool(made.files)) for made in found] == [
        ("Jo Doe (Participant 7)", True),
        ("Jo Doe (Participant 8)", True),
    ]


def test_of_several_uploads_in_canvas_the_last_counts(tmp_path):
    put(tmp_path, {"two_20_30_toy.py": "x", "two_LATE_20_131_toy-1.py": RIGHT})
    put(tmp_path, {"who_21_32_toy-1.py": "x", "who_21_133_toy.py": RIGHT, "who_21_134_answers.md": "x"})
    put(tmp_path, {"zip_22_35_all.zip": zipped({"toy.py": "x"}), "zip_22_136_all-1.zip": zipped({"toy.py": RIGHT})})
    put(tmp_path, {"not_23_37_own.zip": zipped({"toy.py": "x", "b/toy.py": RIGHT}), "not_23_36_toy.py": RIGHT})
    unsure, two, who, zips = collect(tmp_path, ["toy.py"])
    assert two.files == who.files == zips.files == {"toy.py": RIGHT.encode()} and not unsure.files
    assert two.note == "two_LATE_20_131_toy-1.py, the last in Canvas, was marked, not two_20_30_toy.py"
    assert who.note == "who_21_133_toy.py, the last in Canvas, was marked, not who_21_32_toy-1.py"
    assert "differs: not_23_37_own.zip/toy.py, not_23_37_own.zip/b/toy.py" in unsure.note


CLASSES = {
    "canvas": ["jane_1_100_toy.py", "max_LATE_2_101_toy.py"],
    "moodle": ["Jane Doe_1_assignsubmission_file_/toy.py", "Max Poe_2_assignsubmission_file_/toy.py"],
    "blind": ["course/Participant_1_assignsubmission_file_toy.py", "course/Participant_2_assignsubmission_file_toy.py"],
}


def test_files_of_a_student_whose_names_look_like_canvas_s_make_no_class(tmp_path):
    for name in ("jane", "Mia Moo_77_assignsubmission_file_"):
        (tmp_path / name).mkdir()
        for file in ("toy.py", "fcn_8_500_loss.png", "exp_32_500_run.py"):
            (tmp_path / name / file).write_text(RIGHT)
    found = collect(tmp_path, ["toy.py"])
    assert [submission.files["toy.py"] for submission in found] == [RIGHT.encode()] * 2


@pytest.mark.parametrize("what", CLASSES)
def test_a_class_in_one_zip_or_folder_is_to_be_unpacked(what, tmp_path):
    whole = zipped(dict.fromkeys(CLASSES[what], RIGHT))
    put(tmp_path, {"all.zip": whole, "in/all.zip": whole, "one/jane_1_100_work.zip": whole, "spoilt/a.zip": "no zip"})
    put(tmp_path / "deep" / "all", dict.fromkeys([name.removeprefix("course/") for name in CLASSES[what]], RIGHT))
    with pytest.raises(ConfigError, match=r"all\.zip: expected a folder of submissions, this is a file; unpack what"):
        collect(tmp_path / "all.zip", ["toy.py"])
    for folder in ("in", "deep"):
        with pytest.raises(ConfigError, match=r"submissions of several students \(.* \(1\), .*\); unpack what"):
            collect(tmp_path / folder, ["toy.py"])
    assert len(collect(tmp_path / "one", ["toy.py"])) == len(collect(tmp_path / "spoilt", ["toy.py"])) == 1


def test_two_files_that_differ_are_not_chosen_from(tmp_path):
    put(tmp_path, {"a/toy.py": RIGHT, "a/old/toy.py": "x", "b/toy.py": RIGHT, "b/old/toy.py": RIGHT})
    put(tmp_path, {"c/toy.py": RIGHT, "c/toy-1.py": "x", "d/toy-1.py": "x", "d/toy-2.py": RIGHT})
    put(tmp_path, {"e.zip": zipped({"toy.py": RIGHT}), "e/toy.py": "x"})
    a, b, c, d, e = collect(tmp_path, ["toy.py"])
    assert b.files == c.files == {"toy.py": RIGHT.encode()} and not (a.files or d.files or e.files)
    assert "toy.py is there 2 times, and differs: toy.py, old/toy.py; none was marked" in a.note
    assert b.note == "" and c.note == "toy.py was marked, not toy-1.py"
    assert "toy-1.py, toy-2.py" in d.note and "toy.py, e.zip/toy.py" in e.note


def test_a_file_that_nobody_wrote_by_hand_is_told(tmp_path):
    put(tmp_path, {"a/toy.py": b"#" * (1 << 20) + b"\n"})
    (made,) = collect(tmp_path, ["toy.py"])
    assert "toy.py is larger than 1 MiB (1.0 MiB)" in made.note and made.files == {}


def test_names_are_shown_on_one_line_and_without_commands_for_the_terminal(tmp_path):
    for name in ("=cmd()", 'a "b", c\nd', "e\x1b[31m", os.fsdecode(b"f\xff")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "toy.py").write_text(RIGHT)
    shown = [made.student for made in collect(tmp_path, ["toy.py"])]
    assert shown == ["=cmd()", 'a "b", c\\nd', "e\\x1b[31m", "f\\udcff"]
