"""Intake: what is taken from a folder, zip or tar, and what is refused. Nothing is ever extracted."""

import io
import tarfile
import zipfile

import pytest

from autograder.submission import Refused, read

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
    ],
    ids="none parent absolute deep twice large many".split(),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refused_with_a_reason(tmp_path, members, reason):
    with pytest.raises(Refused, match=reason):
        read(zipped(tmp_path, members))


def test_links_are_never_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_bytes(CODE)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "scheduler.py").symlink_to(secret)
    with pytest.raises(Refused, match=r"no scheduler\.py"):
        read(folder)
    path = tmp_path / "work.tar"
    with tarfile.open(path, "w") as file:
        file.add(folder / "scheduler.py", "scheduler.py")
    with pytest.raises(Refused, match=r"no scheduler\.py"):
        read(path)


def test_bomb_is_read_no_further_than_the_cap(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("scheduler.py", b"\0" * 50_000_000)
    with pytest.raises(Refused, match="larger than"):
        read(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not really", b"import torch\n"])
def test_not_an_archive(tmp_path, data):
    path = tmp_path / "work.zip"
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"work\.zip"):
        read(path)


def test_missing_path_is_a_usage_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")
