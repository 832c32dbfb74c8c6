"""Mutations of what students send: archives, pictures, tensors and notebooks, read as the grader reads them.

Whatever the bytes are, they are read, or the student is told in one line why not. Anything else is raised here, with
the bytes kept beside. Run as a program, `python tests/fuzzing.py 100000 [SEED]`, it says how often each came out.

The readers run in the process that parses (autograder/parsing.py), many mutations in a row: a process for each would
take most of the time. SAMPLE in a hundred go the whole way of the grader, archives each in a process of its own; and so
does all of a row that ended its process, and what broke a limit in it.
"""

import argparse
import gzip
import io
import json
import math
import os
import random
import struct
import sys
import tarfile
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin
from safetensors.numpy import save

from autograder import measure
from autograder.instructor.gradebook import filling
from autograder.intake import outputs, parsing, submission
from autograder.intake.handin import zipped
from autograder.paths import ROOT
from autograder.record import BAD_OUTPUT, Failed
from autograder.text import readable

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1]
WORDS = [
    b"\0",
    b"\xff",
    b"/",
    b"../",
    b"\\",
    b'"',
    b"[",
    b"{",
    b"1" * 500,
    b"!" * 500,
    b"\\\\(",
    b"\\ud800",
    b"1e999",
    b"null",
]
REPORT = (ROOT / "assignment" / "report.ipynb").read_bytes()


def archives():
    files = {"scheduler.py": b"x = 1\n" * 50, "infer.py": b"", "report.ipynb": b"{}", "more/y.txt": b"z"}
    yield zipped(files, comment="made by nobody")
    for how in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=how) as file:
            for name, data in files.items():
                info = tarfile.TarInfo(f"é/{'long' * 30}/{name}" if how else name)
                info.size, info.pax_headers = len(data), {"comment": "é"} if how == tarfile.PAX_FORMAT else {}
                file.addfile(info, io.BytesIO(data))
        yield buffer.getvalue()


def pictures():
    noise = np.random.RandomState(0).randint(0, 256, (62, 62), np.uint8)
    for mode in ("L", "RGB", "P", "LA", "I;16", "1"):
        info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
        info.add_text("a", "b", zip=True)
        info.add_itxt("c", "d", "en", "e", zip=True)
        picture = Image.fromarray(noise.astype(np.uint16)) if mode == "I;16" else Image.fromarray(noise).convert(mode)
        picture.save(
            buffer, "PNG", pnginfo=info, icc_profile=b"x" * 200, dpi=(72, 72), exif=b"Exif\0\0MM\0*\0\0\0\b\0\0"
        )
        yield buffer.getvalue()


def tables():
    yield save({"samples": np.zeros((2, 1, 28, 28), np.float32), "b": np.zeros(3, np.int64)}, {"config": "{}"})
    yield save({str(n): np.zeros(n, np.float16) for n in range(20)})


def notebooks():
    yield REPORT
    small = json.loads(REPORT)
    small["cells"] = small["cells"][:8]
    yield json.dumps(small).encode()


def read_archive(data, folder):
    parsing.fresh()
    try:
        submission.read(laid_down(data, folder))
    except submission.Refused as refused:
        return str(refused)


def laid_down(data, folder):
    """The path of an archive with these bytes; half of the tars are packed."""
    path = Path(folder) / "work"
    path.write_bytes(gzip.compress(data, 1) if data[:2] != b"PK" and len(data) % 2 else data)
    return path


def read_output(read, data):
    try:
        read(data, "out")
    except Failed as failed:
        assert failed.verdict == BAD_OUTPUT
        return f"{failed.message} {failed.detail}"


def read_notebook(data, _):
    try:
        parsing.parse(filling.__name__, "restore_notebook", data, MASTER, **filling.LIMITS)
    except parsing.Unparsable as why:
        return str(why)


MASTER = REPORT.decode()
ROW, SAMPLE = 100, 2
KINDS = {  # (samples, what reads them on the grader's side, what that calls where it is parsed, limits, its share)
    "archives": (
        list(archives()),
        read_archive,
        lambda data, folder: submission.unpacked(os.fsencode(laid_down(data, folder))),
        {},
        30,
    ),
    "pictures": (
        list(pictures()),
        lambda data, _: read_output(measure.pixels, data),
        lambda data, _: outputs.pixels(data),
        {},
        35,
    ),
    "tensors": (
        list(tables()),
        lambda data, _: read_output(measure.tensors, data),
        lambda data, _: outputs.tensors(data),
        {},
        30,
    ),
    "notebooks": (
        list(notebooks()),
        read_notebook,
        lambda data, _: filling.restore_notebook(data, MASTER),
        filling.LIMITS,
        5,
    ),
}


def mutated(data, others, rng):
    """One to five changes of the bytes."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, size = rng.randrange(len(data) + 1), rng.choice([1, 2, 4, 8, 64, 512])
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + size] = rng.randbytes(size)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size] * rng.choice([1, 2, 50])
            case 4:
                kind = rng.choice("<>") + rng.choice("BHIQ")
                number = rng.choice(NUMBERS) & ((1 << 8 * struct.calcsize(kind)) - 1)
                data[at : at + struct.calcsize(kind)] = struct.pack(kind, number)
            case 5:
                data[at:at] = rng.choice(WORDS)
            case _:
                other = rng.choice(others)
                cut = rng.randrange(len(other))
                data[at:] = other[cut : cut + (1 << 16)]
    return bytes(data)


def repaired(data):
    """A PNG whose checksums are right again, so that what was changed is looked at."""
    at = 8
    data = bytearray(data)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + size
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def drawn(kind, seed, number):
    """The bytes of one mutation."""
    rng, samples = random.Random(f"{seed} {number}"), KINDS[kind][0]
    data = mutated(rng.choice(samples), samples, rng)
    return repaired(data) if kind == "pictures" and rng.random() < 0.8 else data


def row(kind, seed, numbers, folder):
    """How many of these mutations are read, and the numbers of those that break a limit; the others are refused.

    Runs in the room of parsing.py, which says in one line whatever is raised there: see `attend`.
    """
    _, _, read, limits, _ = KINDS[kind]
    good, slow = 0, []
    for number in numbers:
        data, began = drawn(kind, seed, number), time.process_time()
        try:
            read(data, folder)
            good += 1
        except MemoryError:
            slow.append(number)
        except Exception as error:
            first, *_ = str(error).strip().splitlines() or [""]
            told = readable(first, limit=300)
            assert len(told) < 400 and told == readable(told, limit=None), told
        if time.process_time() - began > limits.get("seconds", parsing.SECONDS):
            slow.append(number)
    return good, tuple(slow)


def mutations(number, seed=0, kinds=KINDS, show=lambda done: None):
    """Read so many mutations. Returns {(kind, "read" or "refused"): how often}. Raises whatever is no such end."""
    rng, counts, left = random.Random(seed), Counter(), number
    shares = [KINDS[kind][4] for kind in kinds]
    with tempfile.TemporaryDirectory() as folder:
        while left:
            (kind,) = rng.choices(list(kinds), shares)
            numbers = tuple(range(left, left - min(ROW, left), -1))
            left -= len(numbers)
            alone = set(numbers[: math.ceil(len(numbers) * SAMPLE / 100)])
            parsing.fresh()
            limits = KINDS[kind][3]
            patient = {"memory_mb": parsing.MEMORY_MB, **limits, "seconds": ROW}
            try:
                together = tuple(sorted(set(numbers) - alone))
                good, slow = parsing.parse("tests.fuzzing", "row", kind, str(seed), together, folder, **patient)
                alone |= set(slow)
                counts[kind, "read"] += good
                counts[kind, "refused"] += len(together) - good - len(slow)
            except parsing.Unparsable:
                alone = set(numbers)
            for each in alone:
                counts.update(whole_way(kind, drawn(kind, seed, each), Path(folder)))
            show(number - left)
    return counts


def whole_way(kind, data, folder):
    """Read one mutation as the grader does. Returns how it came out, as keys of `mutations`."""
    try:
        told = KINDS[kind][1](data, folder)
        assert told is None or (told == readable(told, limit=None) and len(told) < 600), told
    except BaseException:
        Path(tempfile.gettempdir(), f"mutation-{kind}-{os.getpid()}").write_bytes(data)
        raise
    ends = [(kind, "refused" if told else "read"), (kind, "the whole way")]
    if told and "reading it" in told:
        ends.append((kind, f"over a limit: {told[:120]}"))
    return ends


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=100_000)
    parser.add_argument("seed", type=int, nargs="?", default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()

    def show(done):
        if sys.stderr.isatty() or done % 10_000 < ROW:
            print(f"\r{done:,} after {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)

    counts = mutations(options.number, options.seed, show=show)
    print(file=sys.stderr)
    for (kind, end), count in sorted(counts.items()):
        print(f"{kind:10} {count:8,} {end}")
    print(f"{options.number:,} mutations of seed {options.seed}")


if __name__ == "__main__":
    sys.exit(main())
