"""Courses that ask for other things: rubric.toml with other settings."""

import re

from autograder import checks
from autograder.paths import RUBRIC

TO_5 = tuple(part for part in checks.EXACT if part not in checks.PART_8)


def rubric_text(data="mnist", T=1000, points=None, **counts):
    """The text of rubric.toml with these settings.

    points  {check: points}
    counts  of parts, such as ddim="off"
    """
    text = RUBRIC.read_text(encoding="utf-8")
    changes = [(r'^(data = )".*?"', rf'\1"{data}"'), (r"^(num_train_timesteps = )\d+", rf"\g<1>{T}")]
    changes += [(rf'^(\[parts\.{part}\]\ntitle = .*\ncounts = )".*"', rf'\1"{how}"') for part, how in counts.items()]
    changes += [(rf'^("{re.escape(id)}" = .*?points = )[\d.]+', rf"\g<1>{n}") for id, n in (points or {}).items()]
    for pattern, new in changes:
        text, times = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert times == 1, pattern
    return text
