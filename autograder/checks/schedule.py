"""Part 1: the noise schedules. Three tables each, for the default T, another T and another range of beta."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..language import _

if TYPE_CHECKING:
    from ..expect import Expect
    from ..student import Student


def check_linear(student: Student, expect: Expect) -> None:
    tables(student, expect, "linear")


def check_scaled_linear(student: Student, expect: Expect) -> None:
    tables(student, expect, "scaled_linear")


def check_cosine(student: Student, expect: Expect) -> None:
    tables(student, expect, "cosine")


def tables(student: Student, expect: Expect, beta_schedule: str) -> None:
    small = {
        "num_train_timesteps": expect.integer(20, 60),
        "beta_start": expect.uniform(2e-4, 2e-3),
        "beta_end": expect.uniform(0.03, 0.3),
    }
    # The default comes last: a table of a wrong length ends the check, and must not hide that only the default
    # is wrong.
    for settings in (small, {"num_train_timesteps": expect.integer(200, 400)}, {}):
        scheduler = student.DDPMScheduler(beta_schedule=beta_schedule, **settings)
        T = settings.get("num_train_timesteps", 1000)
        where = _("of the {name} schedule with T = {T}", name=beta_schedule, T=T)
        for name in ("betas", "alphas", "alphas_cumprod"):
            expect.table(getattr(scheduler, name), name, where)
    if not expect.laws():
        return

    for name in ("beta_schedule", "prediction_type", "variance_type"):
        settings = {"beta_schedule": beta_schedule, name: "unheard_of"}
        expect.raises(lambda settings=settings: student.DDPMScheduler(**settings), _("an unknown {name}", name=name))
