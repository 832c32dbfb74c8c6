"""Where the kit keeps things, in the repository and in a student bundle alike."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
ASSIGNMENT = ROOT / "assignment"  # what students receive; in their bundle, where they work
PUBLIC = PACKAGE / "expectations" / "public.safetensors"
COURSE = ROOT / "course"  # the course seed and what is made from it: outside git, never in a bundle
HIDDEN = COURSE / "hidden.safetensors"
RUBRIC = PACKAGE / "rubric.toml"
MISTAKES = PACKAGE / "mistakes.toml"
LOCALE = PACKAGE / "locale"  # catalogues of other languages than English
# What student code must never read, where it exists.
SECRETS = (ROOT / "solution" / "scheduler.py", COURSE / "seed", HIDDEN, PUBLIC)
