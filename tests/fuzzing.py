"""Mutations of what students send: archives, pictures, tensors and notebooks, read as the grader reads them.

Whatever the bytes are, they are read, or the student is told in one line why not. Anything else is raised here, with
the bytes kept beside. Run as a program, `python tests/fuzzing.py 100000 [SEED]`, it says how often each came out.
"""

import argparse
import gzip
import io
import json
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
from autograder.intake import parsing, submission
from autograder.intake.handin import zipped
from autograder.paths import ROOT
from autograder.record import BAD_OUTPUT, Failed
from autograder.text import shown

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
    data = gzip.compress(data, 1) if data[:2] != b"PK" and len(data) % 2 else data
    path = folder / "work"
    path.write_bytes(data)
    try:
        submission.read(path)
    except submission.Refused as refused:
        return str(refused)


def read_output(read, data):
    try:
        read(data, "out")
    except Failed as failed:
        assert failed.verdict == BAD_OUTPUT
        return f"{failed.message} {failed.detail}"


def read_notebook(data, _):
    try:
        parsing.parse(filling.__name__, "laid", data, MASTER, **filling.LIMITS)
    except parsing.Unparsable as why:
        return str(why)


MASTER = REPORT.decode()
KINDS = {  # (samples, what reads them, its share)
    "archives": (list(archives()), read_archive, 30),
    "pictures": (list(pictures()), lambda data, _: read_output(measure.pixels, data), 35),
    "tensors": (list(tables()), lambda data, _: read_output(measure.tensors, data), 30),
    "notebooks": (list(notebooks()), read_notebook, 5),
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


def mutations(number, seed=0, kinds=KINDS):
    """Read so many mutations. Returns {(kind, "read" or "refused"): how often}. Raises whatever is no such end."""
    rng, counts = random.Random(seed), Counter()
    shares = [KINDS[kind][2] for kind in kinds]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(number):
            (kind,) = rng.choices(list(kinds), shares)
            samples, read, _ = KINDS[kind]
            data = mutated(rng.choice(samples), samples, rng)
            if kind == "pictures" and rng.random() < 0.8:
                data = repaired(data)
            try:
                told = read(data, Path(folder))
                assert told is None or (told == shown(told, limit=None) and len(told) < 600), told
            except BaseException:
                Path(tempfile.gettempdir(), f"mutation-{kind}-{os.getpid()}").write_bytes(data)
                raise
            counts[kind, "refused" if told else "read"] += 1
            if told and "reading it" in told:
                counts[kind, f"over a limit: {told[:120]}"] += 1
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=100_000)
    parser.add_argument("seed", type=int, nargs="?", default=int(time.time()))
    options = parser.parse_args()
    for (kind, end), count in sorted(mutations(options.number, options.seed).items()):
        print(f"{kind:10} {count:8,} {end}")
    print(f"{options.number:,} mutations of seed {options.seed}")


if __name__ == "__main__":
    sys.exit(main())
