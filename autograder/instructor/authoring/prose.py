"""The prose of report.ipynb in another language. solution/report.zh.md holds it, cell by cell:

    <!-- CELL intro -->
    # ...

Code, ids, points and sample answers stand in solution/report.ipynb alone, so both notebooks have them alike.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PROSE = "report.md"  # named as all texts of another language: report.zh.md
CELL = re.compile(r"^<!-- CELL (\w+) -->\n", re.MULTILINE)


def is_prose(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is text that students read and do not write."""
    return cell["cell_type"] == "markdown" and not cell["metadata"].get("nbgrader", {}).get("solution")


def translated(notebook: str, prose: str, name: str) -> str:
    """The notebook with this prose. Raises ValueError where the two have not the same cells.

    prose  the text of the file `name`
    """
    made, (_, *parts) = json.loads(notebook), CELL.split(prose)
    there = [cell for cell in made["cells"] if is_prose(cell)]
    ids, texts = [cell["id"] for cell in there], parts[1::2]
    if parts[::2] != ids:
        wrong = sorted({*parts[::2]} ^ {*ids}) or ["the order or number of cells"]
        raise ValueError(f"{name} and report.ipynb differ in {', '.join(wrong)}")
    for cell, text in zip(there, texts, strict=True):
        cell["source"] = text.strip("\n")
    return json.dumps(made)
