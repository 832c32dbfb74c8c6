"""Has libraries written in other languages read secrets: those of torch, safetensors, Pillow and SQLite."""

import sqlite3

import safetensors.torch
import torch


def attack():
    path, read = TARGETS["expectations"], []
    for way in (
        lambda: torch.from_file(path, size=8, dtype=torch.uint8),
        lambda: torch.UntypedStorage.from_file(path, shared=False, nbytes=8),
        lambda: open(path, "rb").read(),
        lambda: torch.ops.load_library(path),
        lambda: sqlite3.connect(f"file:{path}?immutable=1", uri=True).execute("select 1 from sqlite_master").fetchall(),
        lambda: safetensors.torch.load_file(path),
    ):
        try:
            read.append(way())
        except Exception as error:
            last = error
    if not read:
        raise PermissionError(str(last))
    return len(read)
