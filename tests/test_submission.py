"""Intake: what is taken from a folder, zip or tar, and what is refused. Nothing is ever extracted."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from autograder.intake.submission import Refused, read
from autograder.reports import FORMATS
from autograder.rubric import Rubric

CODE = b"answer = 42\n"


def zipped(tmp_path, members):
    path = tmp_path / "work.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def test_folder(tmp_path):
    (tmp_path / "scheduler.py").write_bytes(CODE)
    (tmp_path / "conftest.py").write_bytes(b"raise SystemExit\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "scheduler.py").write_bytes(b"an older one")
    submission = read(tmp_path)
    assert submission.files == {"scheduler.py": CODE}
    assert submission.notes == ["Taken: scheduler.py. Not looked at: conftest.py, old/."]


def test_the_kits_own_files_are_no_news(tmp_path):
    for name in ("scheduler.py", "unet.py", "train.py"):
        (tmp_path / name).write_bytes(CODE)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epsilon.safetensors").write_bytes(b"")
    submission = read(tmp_path)
    assert submission.files == {"scheduler.py": CODE} and submission.notes == []


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_archives_nested_one_deep_are_accepted_with_a_note(tmp_path, suffix):
    if suffix == "zip":
        path = zipped(tmp_path, [("homework/scheduler.py", CODE), ("homework/infer.py", CODE)])
    else:
        path = tmp_path / f"work.{suffix}"
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as file:
            for name in ("homework/scheduler.py", "homework/infer.py"):
                info = tarfile.TarInfo(name)
                info.size = len(CODE)
                file.addfile(info, io.BytesIO(CODE))
    submission = read(path)
    assert submission.files == {"scheduler.py": CODE, "infer.py": CODE}
    assert submission.notes == ["The files were taken from the folder homework/."]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("readme.txt", b"hello")], "no scheduler.py"),
        ([("../scheduler.py", CODE)], "leads outside"),
        ([("/etc/scheduler.py", CODE)], "leads outside"),
        ([("a/b/scheduler.py", CODE)], "no scheduler.py"),
        ([("scheduler.py", CODE), ("scheduler.py", b"again")], "more than once"),
        ([("scheduler.py", b"#" * 200_001)], "larger than 200 kB"),
        ([("scheduler.py", CODE), *((f"{i}.txt", b"") for i in range(2_001))], "more than 2000 files"),
        ([("scheduler.py", CODE), ("Scheduler.py", b"other")], "both scheduler.py and Scheduler.py"),
        ([("scheduler.py", CODE), ("\u017fcheduler.py", b"other")], "both scheduler.py and \u017fcheduler.py"),
        ([("SCHEDULER.PY", CODE)], r"no scheduler\.py in it, but SCHEDULER\.PY"),
        ([("scheduler.py", CODE), ("../work.zip-evil/x.py", b"")], "leads outside"),
        ([("scheduler.py", CODE), ("..\\x.py", b"")], "leads outside"),
        ([("scheduler.py", CODE), ("C:\\x.py", b"")], "leads outside"),
        ([("scheduler.py", CODE), ("x/../../x.py", b"")], "leads outside"),
        ([("scheduler.py", CODE), ("x" * 2000, b"")], "a path of 2000 characters"),
    ],
    ids="none parent absolute deep twice large many case letter other_case sibling backslash drive inner long".split(),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refused_with_a_reason(tmp_path, members, reason):
    with pytest.raises(Refused, match=reason):
        read(zipped(tmp_path, members))


@pytest.mark.parametrize("clutter", ["__MACOSX/hw/._scheduler.py", ".git/HEAD", ".ipynb_checkpoints/a.ipynb", "._hw"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_systems_and_editors_leave_is_no_hand_in(tmp_path, clutter, packed):
    members = [("hw/scheduler.py", CODE), (clutter, b"x")]
    path = zipped(tmp_path, members) if packed else tmp_path / "work"
    for name, data in [] if packed else members:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    submission = read(path)
    assert submission.files == {"scheduler.py": CODE}
    assert submission.notes == ["The files were taken from the folder hw/."]


def test_the_one_folder_with_the_files_is_found_beside_others(tmp_path):
    submission = read(zipped(tmp_path, [("hw/scheduler.py", CODE), ("data/digits.npz", b""), ("readme.md", b"")]))
    assert submission.files == {"scheduler.py": CODE}
    assert "Not looked at: data/, readme.md." in submission.notes[-1]
    with pytest.raises(Refused, match=r"no scheduler\.py in it, but a/scheduler\.py"):
        read(zipped(tmp_path, [("a/scheduler.py", CODE), ("b/scheduler.py", CODE)]))


@pytest.mark.parametrize(
    "name", ["scheduler.py.txt", "scheduler (1).py", "my_scheduler.py", "Scheduler(2).PY", "scheduler.txt"]
)
def test_a_file_of_another_name_is_named(tmp_path, name):
    with pytest.raises(Refused) as refused:
        read(zipped(tmp_path, [(name, CODE)]))
    assert str(refused.value) == f"there is no scheduler.py in it, but {name}; rename it"
    other = name.replace("cheduler", "nfer").replace("sn", "in").replace("Sn", "In")
    notes = read(zipped(tmp_path, [("scheduler.py", CODE), (other, CODE)])).notes
    assert f"There is no infer.py, but {other}; rename it." in notes


def test_a_password_is_told(tmp_path):
    path = zipped(tmp_path, [("scheduler.py", CODE)])
    data = bytearray(path.read_bytes())
    for start, place in ((data.index(b"PK\x03\x04"), 6), (data.index(b"PK\x01\x02"), 8)):
        data[start + place] |= 1
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"a file with a password, scheduler\.py"):
        read(path)


def zip64(path, members, count=None):
    """A zip as programs write it that do not know its size beforehand, with `count` members as it claims."""
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            with file.open(name, "w", force_zip64=True) as member:
                member.write(data)
        start, number = file.start_dir, count or len(members)
    data = path.read_bytes()
    at = data.index(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, number, number, at - start, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:at] + record + locator + end)
    return path


def test_zip64_is_read_and_bounded_like_any_other(tmp_path):
    assert read(zip64(tmp_path / "a.zip", [("hw/scheduler.py", CODE)])).files == {"scheduler.py": CODE}
    with pytest.raises(Refused, match="more than 2000 files"):
        read(zip64(tmp_path / "b.zip", [("scheduler.py", CODE)], count=1 << 40))


def test_a_large_report_costs_the_code_nothing(tmp_path):
    submission = read(zipped(tmp_path, [("scheduler.py", CODE), ("report.ipynb", b"0" * 12_000_000)]))
    assert submission.files == {"scheduler.py": CODE}
    assert submission.waits == "report.ipynb is larger than 10 MB"
    assert "report.ipynb is larger than 10 MB, so it was not taken." in submission.notes


def test_names_in_utf8_that_no_flag_tells_of(tmp_path):
    path = zipped(tmp_path, [("Zo\u00eb/scheduler.py", CODE)])
    data = bytearray(path.read_bytes())
    for start, place in ((data.index(b"PK\x03\x04"), 7), (data.index(b"PK\x01\x02"), 9)):
        data[start + place] &= ~8
    path.write_bytes(data)
    assert read(path).notes == ["The files were taken from the folder Zo\u00eb/."]


def test_links_in_a_folder_are_never_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_bytes(CODE)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "scheduler.py").symlink_to(secret)
    with pytest.raises(Refused, match=r"scheduler\.py is a link"):
        read(folder)
    (folder / "scheduler.py").unlink()
    (folder / "scheduler.py").mkdir()
    with pytest.raises(Refused, match=r"no scheduler\.py"):
        read(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in its file system")
def test_a_pipe_in_a_folder_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "scheduler.py")
    with pytest.raises(Refused, match=r"scheduler\.py is a link or another special file"):
        read(tmp_path)


def tarred(path, *members, mode="w"):
    """A tar of (name, data or type, link) members."""
    with tarfile.open(path, mode) as file:
        for name, content, *link in members:
            info = tarfile.TarInfo(name)
            if link:
                info.linkname = link[0]
            if isinstance(content, str):
                info.type = content.encode()
                file.addfile(info)
            else:
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("x", tarfile.SYMTYPE.decode(), "/etc/passwd"), "a link, x"),
        (("scheduler.py", tarfile.SYMTYPE.decode(), "/etc/passwd"), "a link, scheduler.py"),
        (("x", tarfile.LNKTYPE.decode(), "scheduler.py"), "a link, x"),
        (("x", tarfile.CHRTYPE.decode()), "a special file, x"),
        (("x", tarfile.BLKTYPE.decode()), "a special file, x"),
        (("x", tarfile.FIFOTYPE.decode()), "a special file, x"),
        (("../x", b""), "leads outside"),
        (("../x", tarfile.DIRTYPE.decode()), "leads outside"),
        (("/x", b""), "leads outside"),
        (("scheduler.py", CODE), "more than once"),
    ],
    ids="symlink own_symlink hardlink device disk pipe parent parent_folder absolute twice".split(),
)
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_tricks_of_tar_are_refused_with_a_reason(tmp_path, member, reason, mode):
    with pytest.raises(Refused, match=reason):
        read(tarred(tmp_path / "work.tar", ("scheduler.py", CODE), member, mode=mode))


def test_links_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("notes.txt")
    link.external_attr = 0o120777 << 16
    with pytest.raises(Refused, match=r"a link, notes\.txt"):
        read(zipped(tmp_path, [("scheduler.py", CODE), (link, b"/etc/passwd")]))


def test_bomb_is_read_no_further_than_the_cap(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("scheduler.py", b"\0" * 50_000_000)
    with pytest.raises(Refused, match="larger than"):
        read(path)


def bomb_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("scheduler.py", CODE)
        for name, size in members:
            with file.open(name, "w") as member:
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))


def header_tar(path, content, number):
    """What CVE-2024-6232 is about: tarfile's time over a pax header grows with the square of its length."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(content)
    with gzip.open(path, "wb") as file:
        for _ in range(number):
            file.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
        code = tarfile.TarInfo("scheduler.py")
        code.size = len(CODE)
        file.write(code.tobuf() + CODE + bytes(512 - len(CODE) + 1024))


# One header of 60,000 digits takes a second or two where Python is old, and nothing where it is new.
@pytest.mark.parametrize("digits, number", [(3_000_000, 1), (60_000, 40)])
def test_long_headers_are_refused(tmp_path, digits, number):
    header_tar(tmp_path / "work.tar.gz", b"1" * digits, number)
    with pytest.raises(Refused, match=r"a header of 2930 kB|processor time|cannot be read|neither a folder nor"):
        read(tmp_path / "work.tar.gz")


def bomb_tar(path, kind):
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 3 << 30
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(16):  # the rest is never looked at
            file.write(bytes(1 << 20))


# Python's tarfile reads the whole of a pax or longname header into memory.
BOMBS = {
    "zip": lambda path: bomb_zip(path, [("a.bin", 150 << 20), ("b.bin", 150 << 20)]),
    "tar.gz": lambda path: bomb_tar(path, tarfile.REGTYPE),
    "pax": lambda path: bomb_tar(path, tarfile.XHDTYPE),
    "longname": lambda path: bomb_tar(path, tarfile.GNUTYPE_LONGNAME),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, kind):
    BOMBS[kind](tmp_path / "work")
    tracemalloc.start()
    with pytest.raises(Refused, match="unpacks to more than"):
        read(tmp_path / "work")
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


def test_200_000_entries_are_refused_before_the_list_is_read(tmp_path):
    path = zipped(tmp_path, [("scheduler.py", CODE)])
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    for count in (200_000 & 0xFFFF, 1):  # also where the number at the end is a lie
        numbers = struct.pack("<2HI", count, count, 200_000 * len(entry))
        path.write_bytes(data[:start] + entry * 200_000 + end[:8] + numbers + end[16:])
        tracemalloc.start()
        with pytest.raises(Refused, match="more than 2000 files"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 5 * len(path.read_bytes())  # of the list: 500 bytes an entry
        tracemalloc.stop()


def test_many_files_of_the_accepted_names_are_not_read(tmp_path):
    """Only what is taken is read: a thousand folders with a notebook each cost nothing."""
    notebook = b"0" * 10_000_000
    members = [("scheduler.py", CODE), *((f"{i}/report.ipynb", notebook[: 1 << 17]) for i in range(1000))]
    path = zipped(tmp_path, members)
    tracemalloc.start()
    assert read(path).files == {"scheduler.py": CODE}
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_unusual_packing_is_refused(tmp_path):
    """LZMA's header says how much memory unpacking takes, up to 4 GB."""
    path = tmp_path / "work.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("scheduler.py", CODE)
    with pytest.raises(Refused, match="packed in an unusual way"):
        read(path)


def test_names_made_for_terminals_and_parsers_are_harmless(tmp_path, grade):
    name = "\x1b[2J\u202e<b>\udce9.py"
    path = tarred(tmp_path / "work.tar", ("scheduler.py", CODE), (name, b""), ("x\n80 of 80 points", b""))
    record = grade(path)
    note = next(note for note in record.notes if "Not looked at" in note)
    assert note.isprintable() and "<b>" in note
    for report in (each.render(record, Rubric.load()) for each in FORMATS):
        report.encode("utf-8")


def test_archives_made_on_windows_are_read(tmp_path):
    assert read(zipped(tmp_path, [("work\\scheduler.py", CODE)])).files == {"scheduler.py": CODE}


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not really", b"import torch\n"])
def test_not_an_archive(tmp_path, data):
    path = tmp_path / "work.zip"
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"work\.zip"):
        read(path)


def test_missing_path_is_a_usage_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")
