"""What was read, for people and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..language import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .found import Found


def as_text(found: Sequence[Found]) -> str:
    """What was read, for people."""
    heads = (_("{what} ({detail})", what=one.what, detail=one.check) for one in found)
    blocks = [[head, *map(str, one.lines), *one.cases] for head, one in zip(heads, found, strict=True)]
    return "\n".join("\n  ".join(block) for block in blocks)


def as_data(found: Iterable[Found]) -> dict[str, dict[str, Any]]:
    """{check: {term: Python over the symbols of the handout, "right", or None where it was not read}}"""
    return {one.check: one.reads for one in found}
