"""Whatever comes out of the box is charged to the student, told in one short line, and never ungraded."""

import io
import random

import msgpack
import pytest
from slow import one_in

from autograder.box.inside import wire
from autograder.box.process import Process
from autograder.paths import ROOT
from autograder.record import UNGRADED
from autograder.reports import FORMATS

SEEDS = 15
LEAVES = [
    None, True, False, 0, -1, 1 << 62, -(1 << 62), 0.5, float("nan"), float("inf"), "", "x" * 100_000, "\x1b[2J\udce9",
    b"", b"\0" * 1000, wire.Ref(-1), wire.Ref("x"), wire.Ref(None), wire.Other({}), wire.Other("<b>" * 10_000),
    wire.Other(7), "ok", "error", "ready", (), {}, {"types": 1}, {"x": {"y": ()}},
]  # fmt: skip
DTYPES = ["float32", "int64", "bool", "complex64", "object", "S4", "U1", "V8", "datetime64[s]", "float128", "", 7, None]
SHAPES = [(), (0,), (4,), (2, 2), (-1,), (1 << 40,), (1 << 62, 1 << 62), ("x",), (0.5,), (None,), "shape", None, 7, [4]]
DEVICES = ["cpu", "cuda", "meta", "", None, 7, "x" * 10_000]


def leaf(rng):
    if rng.random() < 0.5:
        return rng.choice(LEAVES)
    data = rng.choice([b"", b"\0" * 16, b"\xff" * 16, "text", None, 7])
    return wire.Tensor(rng.choice(DTYPES), rng.choice(SHAPES), data, rng.choice(DEVICES), rng.choice([False, True, 3]))


def value(rng, depth=3):
    kind = rng.random()
    if depth == 0 or kind < 0.5:
        return leaf(rng)
    if kind < 0.85:
        return tuple(value(rng, depth - 1) for _ in range(rng.randrange(4)))
    return {rng.choice(["types", "text", "line", "code", "x"]): value(rng, depth - 1) for _ in range(4)}


def reply(rng, genuine):
    """A forged reply: of any shape, of the right shape around odd values, or a description of an exception."""
    kind = rng.random()
    if kind < 0.2:
        return value(rng)
    if kind < 0.4:
        return ("ok", (value(rng), True))
    if kind < 0.6:
        return ("ok", value(rng))
    if kind < 0.8:
        return ("error", {key: value(rng) for key in ("types", "text", "line", "code")})
    status, content = genuine if isinstance(genuine, tuple) and len(genuine) == 2 else ("ok", None)
    return (status, (content, value(rng)))


ODD = [
    *LEAVES,
    *(wire.Tensor(dtype, (4,), bytes(16)) for dtype in DTYPES),
    *(wire.Tensor("float32", shape, bytes(16)) for shape in SHAPES),
    *(wire.Tensor("float32", (4,), bytes(16), device) for device in DEVICES),
    *(wire.Tensor("float32", (4,), data) for data in (b"", b"123", "text", None, 7)),
    ((((((1,),),),),),),
]


@pytest.mark.parametrize("number", one_in(6, range(len(ODD))))
def test_one_odd_value_everywhere_is_never_ungraded(number, box, grade, monkeypatch):
    """Whatever is asked of a scheduler, the answer is this value, alone and in a pair."""
    assert box.tier
    genuine_ask = Process.ask
    odd = ODD[number]

    for answers in (odd, (odd, odd)):

        def ask(self, request, *arguments, answers=answers, **options):
            genuine = genuine_ask(self, request, *arguments, **options)
            forged = {"call": ("ok", answers), "attribute": ("ok", answers), "call_on_cuda": ("ok", answers)}
            return forged.get(request, genuine)

        with monkeypatch.context() as patched:
            patched.setattr(Process, "ask", ask)
            assert_charged(grade(ROOT / "solution", public_only=True))


def assert_charged(record):
    verdicts = {check.id: check.verdict for check in record.checks}
    assert UNGRADED not in verdicts.values(), [check.facts for check in record.checks if check.verdict == UNGRADED]
    assert all(len(check.message) < 600 and check.message.isprintable() for check in record.checks)
    assert all(len(check.output) < 6000 for check in record.checks)


@pytest.mark.parametrize("seed", one_in(6, range(SEEDS)))
def test_forged_replies_are_never_ungraded(seed, box, grade, rubric, monkeypatch):
    assert box.tier  # its self-test must not meet forged replies
    rng = random.Random(seed)
    genuine_ask = Process.ask
    share = rng.choice([0.01, 0.05, 0.3, 1.0])

    def ask(self, request, *arguments, **options):
        genuine = genuine_ask(self, request, *arguments, **options)
        return reply(rng, genuine) if rng.random() < share else genuine

    monkeypatch.setattr(Process, "ask", ask)
    record = grade(ROOT / "solution")
    assert_charged(record)
    for report in (each.render(record, rubric) for each in FORMATS):
        report.encode("utf-8")


@pytest.mark.parametrize("seed", range(20))
def test_odd_bytes_are_a_wire_error_and_take_no_memory(seed):
    rng = random.Random(seed)
    bodies = [rng.randbytes(rng.randrange(200)) for _ in range(300)]
    bodies += [msgpack.packb(rng.choice([1, "x", [1] * 30, {"a": 1}])) + rng.randbytes(3) for _ in range(50)]
    for body in bodies:
        stream = io.BytesIO(wire.LENGTH.pack(len(body)) + body)
        try:
            wire.receive(stream, 1 << 20)
        except (wire.WireError, EOFError):
            pass


@pytest.mark.parametrize(
    "body",
    [
        b"\xdd" + (4_000_000).to_bytes(4, "big") + b"\x80" * 4_000_000,  # a list of empty dicts
        (b"\xdc" + (20_000).to_bytes(2, "big") + b"\x90" * 20_000) * 2,
        b"\xdc\x4e\x20" + (b"\xdc\x4e\x20" + b"\x80" * 20_000) * 200,  # lists of lists of them
        b"\x91" * 100_000,
        b"\xc7\xff\x00" + b"\xdd\xff\xff\xff\xff",
    ],
    ids="wide two nested deep extension".split(),
)
def test_a_message_is_never_much_larger_in_memory_than_on_the_wire(body):
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(wire.WireError):
        wire.receive(io.BytesIO(wire.LENGTH.pack(len(body)) + body), 64 << 20)
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    tracemalloc.stop()
