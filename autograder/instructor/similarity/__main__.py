"""`make similar`: who wrote too much alike, for staff."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from ...box import BoxError
from ...files import write
from ...rubric import RubricError
from ...text import readable
from ..handins import collecting
from ..handins.platforms import DownloadError
from ..handins.roster import RosterError
from . import page
from .reading import compare_class

DONE, USAGE, FAILED = 0, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m autograder.instructor.similarity",
        description="Compares scheduler.py and infer.py of a class and writes similar.html into its folder: pairs that "
        "share more than chance explains, side by side. A reason to look, not a proof.",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("class"), help="of the class; default: class")
    parser.add_argument(
        "--known", type=Path, metavar="DIR", help="a folder with public solutions (.py, .ipynb), which are left out"
    )
    options, errors = parser.parse_args(arguments), Console(stderr=True)
    try:
        return run(options.folder, options.known)
    except FileNotFoundError:
        why, status = f"Nothing was collected in {options.folder} yet: `make class SUBMISSIONS=path`.", USAGE
    except (DownloadError, RosterError, RubricError) as error:
        why, status = str(error), USAGE
    except (BoxError, OSError) as error:
        why, status = str(error), FAILED
    errors.print(readable(why, limit=None), style="red", soft_wrap=True, markup=False)
    return status


def run(folder: Path, known: Path | None) -> int:
    if known and not known.is_dir():
        raise DownloadError(f"There is no folder {known}.")
    class_list, _ = collecting.class_list(folder)
    handed_in = [entry for entry in class_list if entry.path]
    console = Console(highlight=False)
    quiet = not console.is_terminal
    compared = compare_class(handed_in, known, lambda entries: track(entries, "Reading", transient=True, disable=quiet))
    write(folder / "similar.html", page.render(compared, len(handed_in)))
    found = sum(len(one.shown) for one in compared)
    what = f"{found} pair{'' if found == 1 else 's'} to look at" if found else "no pair is worth a look"
    console.print(f"Written: {folder / 'similar.html'}, for staff only: {what}.", soft_wrap=True, markup=False)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
