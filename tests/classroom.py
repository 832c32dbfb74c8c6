"""`python -m autograder.instructor.classroom` for the tests: with hidden cases of a test seed, also in its
worker processes, which import this file as well. `python tests/classroom.py worker ADDRESS` is a Dask worker of the
same kind."""

import os
import sys
import time
from pathlib import Path

from autograder import paths

paths.HIDDEN = Path(os.environ["HIDDEN_OF_THE_TEST"])

from autograder.instructor.classroom import __main__ as command  # noqa: E402
from autograder.instructor.classroom import working  # noqa: E402


def slow_stage(*job):
    time.sleep(float(os.environ["SLOW"]))
    return stage(*job)


if "SLOW" in os.environ:
    stage, working.stage = working.stage, slow_stage  # jobs call it by its name

if __name__ == "__main__":
    if sys.argv[1] != "worker":
        sys.exit(command.main())
    from distributed.cli.dask_worker import main

    main([*sys.argv[2:], "--nthreads", "1", "--no-nanny", "--no-dashboard"])
