"""The room where students' bytes are parsed: what goes wrong in it is the student's, in one line, and nobody else's."""

import io
import json
import os
import struct
import zlib

import fuzzing
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from autograder import measure
from autograder.intake import parsing
from autograder.record import BAD_OUTPUT, Failed


@pytest.fixture(autouse=True, scope="module")
def small_room():
    """A room without what earlier tests had parsed: one that ends is opened anew, with all that it has imported."""
    parsing.room(os.getpid()).close()
    parsing.room.cache_clear()


def here():
    return parsing.parse("os", "getpid")


@pytest.mark.parametrize(
    ("module", "function", "arguments", "limits", "reason"),
    [
        ("re", "match", ("(a+)+$", "a" * 60 + "b"), {"seconds": 1}, "more than 1 s of processor time"),
        ("builtins", "bytearray", (1 << 31,), {}, "more than 512 MB of memory"),
        ("builtins", "bytearray", (1 << 28,), {"memory_mb": 100}, "more than 100 MB of memory"),
        ("os", "abort", (), {}, "or ended the process"),
        ("os", "_exit", (0,), {}, "or ended the process"),
        ("os", "_exit", (7,), {}, "or ended the process"),
        ("sys", "exit", (), {}, "or ended the process"),
        ("json", "loads", ("[" * 100_000,), {}, "recursion"),
        ("json", "loads", ("1" * 100_000,), {}, "limit"),
        ("builtins", "eval", ("[1, 2] + object()",), {}, "can only concatenate"),
        ("builtins", "exec", ("raise ValueError('one\\ntwo \\x1b[2J')",), {}, "^one$"),
        ("builtins", "exec", ("raise KeyError",), {}, "^KeyError$"),
    ],
)
@pytest.mark.skipif(not parsing.FORKS, reason="needs limits")
def test_what_goes_wrong_is_one_line_and_the_next_is_parsed(module, function, arguments, limits, reason):
    with pytest.raises(parsing.Unparsable, match=reason) as raised:
        parsing.parse(module, function, *arguments, **limits)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 400
    assert parsing.parse("json", "loads", "[1]") == (1,)


@pytest.mark.skipif(not parsing.FORKS, reason="needs a process for each submission")
def test_each_submission_has_a_process_of_its_own():
    first = here()
    assert here() == first != os.getpid()
    parsing.fresh()
    assert here() != first


def test_what_a_parser_prints_is_no_answer():
    assert parsing.parse("builtins", "exec", "import os; print('x' * 100, flush=True); os.write(1, b'forged')") is None
    assert parsing.parse("json", "loads", "[1]") == (1,)


def test_a_room_that_was_ended_from_outside_is_opened_again():
    room = parsing.room(os.getpid())
    here()
    room.server.kill()
    room.server.wait()
    assert here()


def test_whoever_kills_it_at_work_is_to_blame_and_not_the_student():
    with pytest.raises(parsing.BoxError, match="from outside"):
        parsing.parse("builtins", "exec", "import os; os.kill(os.getpid(), 9)")
    assert here()


# ----- what programs leave -----


def png(*chunks, mode="L", size=(4, 4)):
    """A PNG with further chunks (name, content) before its end."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    data = buffer.getvalue()
    more = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return data[:-12] + more + data[-12:]


CHUNKS = [b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"gAMA", b"sRGB", b"cHRM", b"tRNS", b"PLTE", b"eXIf", b"acTL"]
CHUNKS += [b"fcTL", b"fdAT", b"IHDR", b"IDAT", b"bKGD", b"mDCv", b"cLLi", b"cICP"]


@pytest.mark.parametrize("name", CHUNKS, ids=bytes.decode)
def test_a_picture_with_an_odd_chunk_is_read_or_the_students_fault(name):
    for content in (b"", b"\0", b"a\0", b"a\0\0", b"\xff" * 26, zlib.compress(bytes(50_000_000))):
        try:
            assert measure.pixels(png((name, content)), "out.png").shape == (4, 4)
        except Failed as failed:
            assert failed.verdict == BAD_OUTPUT and "out.png cannot be read as a PNG" in failed.message


@pytest.mark.parametrize("size", [(4097, 1), (1, 4097), (100_000, 100_000)])
def test_a_large_picture_is_not_unpacked(size):
    data = bytearray(png())
    data[16:24] = struct.pack(">2I", *size)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(Failed) as raised:
        measure.pixels(bytes(data), "out.png")
    assert "pixels" in raised.value.detail


def table(entries, data=b""):
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + data


EMPTY = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
TABLES = {
    "a_million": table({str(n): EMPTY for n in range(100_000)}),
    "many": table({str(n): EMPTY for n in range(1001)}),
    "deep": table(b"[" * 500_000),
    "digits": table(b'{"x": ' + b"1" * 500_000 + b"}"),
    "list": table(b"[]"),
    "short": b"\1\0",
    "shape": table({"x": EMPTY | {"shape": [1 << 62, 1 << 62]}}),
    "dimensions": table({"x": EMPTY | {"shape": [1] * 1000}}),
    "dtype": table({"x": EMPTY | {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"\0"),
    "surrogate": table(b'{"\\ud800": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "overlap": table(
        {"x": EMPTY | {"shape": [4], "data_offsets": [0, 4]}, "y": EMPTY | {"data_offsets": [2, 2]}}, b"0000"
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_an_odd_table_of_tensors_is_the_students_fault(name):
    with pytest.raises(Failed, match="is not a safetensors file") as raised:
        measure.tensors(TABLES[name], "the checkpoint")
    assert raised.value.verdict == BAD_OUTPUT and len(raised.value.detail) < 400


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool"])
def test_tensors_arrive_as_they_are(dtype):
    sent = {
        "x": np.arange(6).reshape(1, 2, 3).astype(dtype),
        "scalar": np.array(1, dtype),
        "none": np.zeros((0, 2), dtype),
    }
    for name, array in measure.tensors(save(sent), "the file").items():
        assert array.dtype == dtype and array.shape == sent[name].shape and np.array_equal(array, sent[name])


@pytest.mark.skipif(not parsing.FORKS, reason="needs limits")
def test_mutations_are_read_or_refused():
    """A small part of `make fuzz`, always the same."""
    counts = {}
    for kind in ("archives", "pictures", "tensors"):
        counts |= fuzzing.mutations(200, kinds=(kind,))
    assert {end for _, end in counts} == {"read", "refused", "the whole way"} and len(counts) == 9
