"""`make losses`: a check that is new, or was changed, needs no patch to be edited by hand."""

import pytest

from autograder import checks
from autograder.instructor.authoring import losses, patches

EXACT = [id for id in checks.CHECKS if id.split(".")[0] in checks.EXACT]


@pytest.mark.parametrize("patch", patches.load_all()[::20], ids=lambda patch: patch.id)
def test_a_patch_that_is_right_stays_as_it_is(patch):
    text = (patches.MISTAKES / f"{patch.id}.toml").read_text()
    ran = [id for id in checks.CHECKS if {id, id.split(".")[0]} & set(patch.only)]
    assert losses.proposed(text, patch, patch.loses, ran) == text


@pytest.mark.parametrize("lost", [EXACT[:1], EXACT])
def test_what_is_lost_now_is_written_into_the_patch(lost, tmp_path, monkeypatch):
    name = "linear_geometric"
    patch = patches.load(patches.MISTAKES / f"{name}.toml")
    source = (patches.MISTAKES / f"{name}.toml").read_text()
    text = losses.proposed(source, patch, lost, EXACT)
    (tmp_path / f"{name}.toml").write_text(text)
    changed = patches.load(tmp_path / f"{name}.toml")
    not_run = [id for id in patch.loses if id not in EXACT]
    assert changed.loses == [id for id in checks.ALL if id in [*lost, *not_run]]
    assert changed.files == patch.files and text.count("\n") == source.count("\n")  # a short diff


def test_the_command_says_what_differs(capsys, tmp_path, monkeypatch):
    source = (patches.MISTAKES / "linear_geometric.toml").read_text()
    wrong = tmp_path / "linear_geometric.toml"
    wrong.write_text(losses.LOSES.sub('loses = ["ddim.eta"]', source))
    monkeypatch.setattr(losses, "MISTAKES", tmp_path)
    monkeypatch.setattr(losses, "ROOT", tmp_path)
    monkeypatch.setattr(losses, "load_all", lambda: [patches.load(wrong)])
    losses.main(["--write"])
    told = capsys.readouterr()
    assert '-loses = ["ddim.eta"]' in told.out and "1 of 1" in told.err
    assert patches.load(wrong).loses == [
        id for id in patches.load(patches.MISTAKES / wrong.name).loses if id not in checks.MEASURED
    ]
