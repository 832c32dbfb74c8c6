"""CSV files as people have them: saved by Excel, Numbers or a platform, in any of the usual encodings, with commas,
semicolons or tabs. What cannot be understood is refused in one line, with row and column; nothing is guessed."""

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class TableError(ValueError):
    """The file cannot be used, for this reason."""


@dataclass
class Table:
    """The cells of a CSV file.

    head       names of the columns, as they stand there
    rows       number of the line, and as many cells as the head has; empty lines are left out
    delimiter  between cells
    """

    path: Path
    head: list[str]
    rows: list[tuple[int, list[str]]]
    delimiter: str = ","

    def where(self, line: int, column: str | None = None) -> str:
        return f"{self.path}, line {line}" + (f", column {column}" if column else "")

    def text(self) -> str:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self.delimiter, lineterminator="\n")
        writer.writerows([self.head, *(cells for _, cells in self.rows)])
        return buffer.getvalue()


def read(path: Path, comments: bool = False) -> Table:
    """The table in a file; with `comments`, without the lines that begin with #. Raises TableError."""
    try:
        text = decoded(Path(path).read_bytes())
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise TableError(f"{path} cannot be read: its encoding is unknown; save it as UTF-8") from None
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own first line
    text = text[told.end() :] if told else text
    first = next((line for line in text.splitlines() if line.strip() and not (comments and "#" in line[:2])), "")
    delimiter = told[1] if told else max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    head, rows = [], []
    try:
        for cells in lines:
            line = lines.line_num + bool(told)
            if not any(cell.strip() for cell in cells) or (comments and cells[0].startswith("#")):
                continue
            if not head:
                head = [cell.strip() for cell in cells]
                continue
            rows.append((line, fitted(cells, head, delimiter, f"{path}, line {line}")))
    except csv.Error as error:
        raise TableError(f"{path}, line {lines.line_num}: {error}; is a quotation mark missing or too many?") from None
    twice = [name for n, name in enumerate(head) if name and name in head[:n]]
    if twice:
        raise TableError(f"{path}, line 1, column {twice[0]}: this column is there twice")
    return Table(Path(path), head, rows, delimiter)


def decoded(data: bytes) -> str:
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data[:2]:
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")  # what Excel saves in western Europe and America


def fitted(cells: list[str], head: list[str], delimiter: str, where: str) -> list[str]:
    """The cells of a row, as many as the head has. Raises TableError for one that is shifted."""
    if len(cells) > len(head):
        raise TableError(
            f"{where}, column {head[-1]}: {len(cells)} cells, and the first line has {len(head)}; put quotation marks "
            f"around a cell that holds {delimiter!r}"
        )
    for name, cell in zip(head, cells, strict=False):
        if "\n" in cell and delimiter in cell:
            raise TableError(f"{where}, column {name}: this cell runs over several lines; a quotation mark is missing")
    return [*cells[: len(head)], *[""] * (len(head) - len(cells))]
