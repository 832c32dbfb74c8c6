"""What is kept on disk comes back as it was, or not at all."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from autograder.instructor.store import Store
from autograder.paths import ROOT


@dataclass
class Result:
    points: int | float
    seconds: float
    cases: list[tuple[str, bool]]
    got: np.ndarray | None = None
    at: datetime | None = None
    facts: Any = None


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "kept", Result)


def brought_back(store, value):
    store.put("it", value)
    return store.get("it")


@pytest.mark.parametrize("number", [5, 5.0, 0.1, 1e300, math.inf, -math.inf, math.nan])
def test_numbers_are_exactly_what_they_were(store, number):
    back = brought_back(store, Result(number, float(number), [], facts={"deep": [number]}))
    assert repr([back.points, back.seconds, back.facts]) == repr([number, float(number), {"deep": [number]}])


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", ">f8", "<i8", "|u1", "|b1"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 1, 3)])
def test_arrays_are_exactly_what_they_were(store, dtype, shape):
    array = np.array(np.random.default_rng(0).integers(0, 2, shape), dtype)
    if array.size and array.dtype.kind == "f":
        array.flat[0] = -0.0 if array.ndim else np.nan
    back = brought_back(store, Result(1, 1.0, [], array)).got
    assert (back.dtype.str, back.shape, back.tobytes()) == (dtype, shape, array.tobytes())


def test_pairs_times_and_letters_too(store):
    value = Result(1, 0.5, [("t = 1, \ud800 ↵", True)], None, datetime(2026, 1, 2, 3, 4, 5, 6, UTC), {"a": None})
    assert brought_back(store, value) == value


def test_each_key_has_a_file(store):
    for key, points in (("ada", 1), ("bob", 2)):
        store.put(key, Result(points, 0.0, []))
    store.put("ada", Result(3, 0.0, []))
    assert (store.get("ada").points, store.get("bob").points, store.get("cyd")) == (3, 2, None)
    assert sorted(store.folder.iterdir()) == [store.path("ada"), store.path("bob")]  # and nothing half written


def test_what_is_damaged_or_of_another_version_is_not_there(store):
    store.put("it", Result(1, 0.5, [("t", True)], np.ones(3)))
    text = store.path("it").read_text(encoding="utf-8")
    data = json.loads(text)
    others = [
        *({key: data[key] for key in data if key != name} for name in ("points", "seconds", "cases")),
        data | {"more": 1},
        data | {"seconds": "soon"},
        data | {"seconds": 1},  # which a float would come back from as 1.0
        *(
            data | {"got": got}
            for got in (1, {"shape": [3]}, ["<f8", [3], "AAAA"], ["f99", [], ""], ["O", [1], 8 * "A"])
        ),
        [],
        None,
    ]
    damaged = [text[: len(text) // 2], text[:-2], "", *(json.dumps(other, indent=1) + "\n" for other in others)]
    for each in damaged:
        store.path("it").write_text(each, encoding="utf-8")
        assert store.get("it") is None, each[:300]
    store.path("it").write_bytes(b"\xff\xfe")
    assert store.get("it") is None
    # What a later version adds, with a default, an earlier file lacks.
    del data["facts"]
    store.path("it").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    assert (store.get("it").seconds, store.get("it").facts) == (0.5, None)


def test_what_has_no_exact_form_is_refused_when_it_is_kept(store):
    for odd in (object(), np.array([object()])):
        with pytest.raises(TypeError):
            store.put("it", Result(1, 1.0, [], facts=odd))


def test_grading_itself_does_without_it():
    """It runs with the few packages that a student bundle asks for."""
    code = "import sys, autograder.__main__, autograder.grading, autograder.reports\n"
    code += "sys.exit(', '.join({'msgspec', 'autograder.instructor'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""
