"""grades.csv: a line per student, with the points of each part."""

import csv
import io


def render(rows, rubric):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["student", "points", *rubric.parts, "complete", "why"])
    for row in rows:
        numbers = [
            "" if number is None else f"{number:g}"
            for number in (row.points, *(row.parts.get(part) for part in rubric.parts))
        ]
        writer.writerow([row.student, *numbers, "no", row.why])
    return text.getvalue()
