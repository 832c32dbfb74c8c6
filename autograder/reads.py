"""What a submission computes, read back from its answers to public cases: `python -m autograder reads`.

It stands outside of grading: the checks run with an Expect that only collects. What is right is called right and no
more, so that nobody can read here what they have not written; what cannot be read is called so.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from . import checks
from .box import BoxError
from .expect import Expect
from .readback.curves import Table, made_equal, read_alphas, read_alphas_cumprod, read_betas
from .readback.expression import SYMBOLS, combination
from .readback.forms import DDIM_FORMS, DDPM_FORMS, confirmed, read_step
from .readback.lists import read_list
from .readback.predictions import CLIPPED_TERMS, TERMS, read_clip, read_derived, read_sum
from .readback.products import quantities
from .readback.reading import CONFIRMED, Cases
from .readback.weights import measure
from .record import TIMED_OUT, Failed
from .student import ATTRIBUTES, Budget, Student, Value
from .which import apart, certain

SCHEDULES = ("linear", "scaled_linear", "cosine")
TABLES = ("betas", "alphas", "alphas_cumprod")
PREDICTIONS = {"reverse.predict_epsilon": "epsilon", "reverse.predict_v": "v_prediction"}
# {check: (its variance_type, "" for DDIM; the checks that it is read from)}
STEPS = {
    "reverse.step": ("fixed_small", ("reverse.step", "reverse.strided")),
    "reverse.step_large": ("fixed_large", ("reverse.step_large", "reverse.strided")),
    "ddim.eta": ("", ("ddim.deterministic", "ddim.eta", "ddim.strided")),
}
ALL = (
    *(f"schedule.{name}" for name in SCHEDULES), "reverse.timesteps", *PREDICTIONS, "reverse.clip",
    *dict.fromkeys(check for _, sources in STEPS.values() for check in sources),
)  # fmt: skip
RIGHT = "right"
OF_Z = "for this weight of z"
NEARLY = "the numbers are right; `make check` says what else is wrong"
CLOSE, CLOSE_ENTRY = 1e-3, 1e-5  # what is so near to the right values is not written out, whatever is wrong with it
OTHER_LISTS = ((1000, 3), (1000, 6), (1000, 7), (1000, 14), (1000, 64), (1000, 150), (1000, 600), (90, 4), (100, 70))
OTHER_TIMESTEPS = (6, 61, 307, 733)  # of the full list, where what was read must hold, too
FEWEST, OTHERS = 6, 5  # steps to a previous timestep that a formula is read from, and others that it must hold in
MOST = 7.0  # the cost of a formula; among those beyond it some fit by chance


@dataclass
class Found:
    """What was read of one thing that a submission computes.

    check  its id
    what   it is, in words
    reads  {term: source of an Expression, RIGHT, or None where it was not read}
    lines  what there is to say of it
    """

    check: str
    what: str
    reads: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)


@dataclass(eq=False)
class Case:
    """One answer, and what was asked.

    got       float64, None where it is no array of numbers
    right     whether it passes
    close     whether its numbers at least are near the right ones
    asked     arguments of the scheduler's last call, by position and by name
    steps     S of the list that holds
    forms     (3, 3) recorded weights, of a step
    """

    name: str
    where: str
    got: np.ndarray | None
    expected: np.ndarray
    right: bool
    close: bool
    scheduler: object
    asked: tuple
    steps: int
    forms: np.ndarray | None = None

    @property
    def settings(self):
        return self.scheduler.settings


# ----- collecting ----------------------------------------------------------------------------------------------------


class Watch:
    """A Student whose schedulers remember what they were asked."""

    def __init__(self, student):
        self.student, self.last = student, None

    def DDPMScheduler(self, **settings):
        return Watched(self, self.student.DDPMScheduler(**settings), settings)

    def DDIMScheduler(self, **settings):
        return Watched(self, self.student.DDIMScheduler(**settings), settings)


class Watched:
    """A scheduler that remembers its settings, the recorded list that holds now, and the last call of a method."""

    def __init__(self, watch, scheduler, settings):
        self.watch, self.scheduler, self.settings = watch, scheduler, settings
        self.T = settings.get("num_train_timesteps", 1000)
        self.steps, self.asked, self.listed = self.T, ((), {}), list(range(self.T))[::-1]

    def __getattr__(self, name):
        self.watch.last = self
        found = getattr(self.scheduler, name)
        return found if name in ATTRIBUTES else partial(self.called, name, found)

    def called(self, name, method, *args, **kwargs):
        self.asked = args, kwargs
        if name == "set_timesteps":
            self.steps = args[0] if args else kwargs["num_inference_steps"]
        return method(*args, **kwargs)


class Collected(Exception):
    """All plain cases of a check have been run."""


class Reader(Expect):
    """An Expect that collects Cases, right or wrong, up to the first `settle`."""

    def __init__(self, expectations, check, tolerance, watch):
        super().__init__(expectations, check, tolerance)
        self.watch, self.cases, self.stopped = watch, [], ""

    def collect(self, compare, got, name, where, *rest):
        try:
            compare(got, name, where, *rest)
            right = self.answers[-1].right
        except Failed:  # of another kind than it must be, but its numbers may be read
            right = False
        readable = isinstance(got, Value) and got.dtype.kind in "fiu"
        numbers = np.float64(np.asarray(got)) if readable else None
        expected = np.float64(self.recorded("value", name, where))
        scheduler = self.watch.last
        close = bool(readable and numbers.shape == expected.shape and near(numbers, expected))
        self.cases.append(
            Case(name, where, numbers, expected, right, close, scheduler, scheduler.asked, scheduler.steps)
        )

    def compare(self, *given):
        self.collect(super().compare, *given)

    def exactly(self, *given):
        self.collect(super().exactly, *given)

    def step(self, scheduler, model_output, timestep, sample, noise, where, **options):
        got = scheduler.step(model_output, timestep, sample, variance_noise=noise, **options)
        self.value(got, "x_prev", where, str(sample.dtype))
        self.cases[-1].forms = self.recorded("forms", "x_prev", where)

    def listed(self, scheduler):
        scheduler.listed = super().listed(scheduler)
        return scheduler.listed

    def settle(self):
        raise Collected


def near(got, expected):
    """Whether an answer is the right one but for rounding: images as a whole, each entry of a table or list."""
    if expected.ndim == 1:
        return bool(np.all(np.abs(got - expected) <= CLOSE_ENTRY * np.abs(expected)))
    return bool(np.all(np.abs(got - expected) <= CLOSE * np.abs(expected).max(initial=1e-6)))


def collect(student, rubric, public):
    """{check: Reader} of all checks that are read; what a student's code raises ends a check and is noted."""
    readers, watch, over = {}, Watch(student), ""
    for check in ALL:
        reader = readers[check] = Reader(public, check, rubric.checks[check].tolerance, watch)
        reader.stopped = over
        try:
            with np.errstate(all="ignore"):
                if not over:
                    checks.run(check, watch, reader)
        except Collected:
            pass
        except Failed as failed:
            reader.stopped = failed.message
            if not student.imported or failed.verdict == TIMED_OUT:  # the rest would only take as long
                over = failed.message
        except (BoxError, OSError):
            raise
        except Exception:  # an answer that nobody thought of
            reader.stopped = "its answers cannot be compared"
    return readers


# ----- reading -------------------------------------------------------------------------------------------------------


def read(box, submission, rubric, public):
    """[Found] of a submission. Raises BoxError for what is this host's; what a student did never raises."""
    limits = rubric.limits
    budget = Budget(limits["exact_seconds"], limits["wall_factor"])
    with Student.at_work(box, submission.files, limits, budget) as student:
        readers = collect(student, rubric, public)
        if not student.imported:
            why = readers[ALL[0]].stopped
            return [Found(ALL[0], "scheduler.py", dict.fromkeys(TABLES), [f"not read: {why}"])]
        return [attempt(readers, *one) for one in everything()]


def everything():
    """(check, what is read, the function that reads it)"""
    yield from ((f"schedule.{name}", f"tables of the {name} schedule", tables) for name in SCHEDULES)
    yield "reverse.timesteps", "set_timesteps", timesteps
    yield from ((check, f"predict for {kind}, not clipped", prediction) for check, kind in PREDICTIONS.items())
    yield "reverse.clip", "predict with clip_sample", clip
    for check, (variance, _) in STEPS.items():
        yield check, f"step of {f'DDPM, {variance}' if variance else 'DDIM'}, for epsilon, not clipped", step


def attempt(readers, check, what, reads):
    """The Found of one thing. Whatever the student's numbers are, there is one."""
    found = Found(check, what)
    try:
        with np.errstate(all="ignore"):
            reads(readers, found)
    except (BoxError, OSError):
        raise
    except Exception:  # numbers of student code may be anything, and silence is never wrong
        found.reads, found.lines = dict.fromkeys(found.reads), ["not read"]
    return found


def untold(found, terms, why):
    """Note that some terms were not read, and why."""
    found.reads |= dict.fromkeys(terms)
    found.lines.append(f"not read{why and f': {why}'}")


def tables(readers, found):
    """The curve of the betas, and what the other two tables are made of."""
    reader, own, recorded = readers[found.check], {}, {}
    for name in TABLES:
        cases = [case for case in reader.cases if case.name == name]
        if not cases or any(case.got is None or case.got.ndim != 1 or not len(case.got) for case in cases):
            untold(found, TABLES[TABLES.index(name) :], reader.stopped or "it is no table")
            return
        own[name], recorded[name] = ([table_of(case, array) for case in cases] for array in ("got", "expected"))
        close, right = (all(getattr(case, what) for case in cases) for what in ("close", "right"))
        # A table may be right within the tolerance and be another: the bound of a clip moves the last entry only.
        known = close or (name != "betas" and right)
        expression, place = (None, "") if known else read_table(name, own)
        usual = expression is not None and gives(expression, name, recorded)
        if not expression or (usual and name == "betas"):
            found.reads[name] = RIGHT if right else None
            found.lines += [f"{name}: {RIGHT if right else NEARLY if close or usual else 'not read'}", *which(cases)]
        elif usual and not place:
            found.reads[name] = RIGHT
            found.lines.append(f"{name}: right for the tables before it")
        else:
            found.reads[name] = None if place else expression.python
            text = "as it should be, but" if usual else f"{SYMBOLS[name]}_t = {expression}"
            first = own[name][0]
            size = f", in {len(first.values)} entries for T = {first.T}" if len(first.values) != first.T else ""
            found.lines += [f"{name}: {text}{place and f' {place}'}{size}", *which(cases)]


def table_of(case, array):
    """The Table that a case got, or that was expected."""
    ends = case.settings.get("beta_start", 1e-4), case.settings.get("beta_end", 0.02)
    return Table(getattr(case, array), case.scheduler.T, *ends)


def read_table(name, own):
    """(Expression or None, a word for where the table lies) of the tables of one name."""
    if name == "betas":
        return read_betas(own["betas"]), ""
    if name == "alphas":
        return read_alphas(own["alphas"], own["betas"]), ""
    return read_alphas_cumprod(own["alphas_cumprod"], own["alphas"], own["betas"])


def gives(expression, name, recorded):
    """Whether an expression makes the recorded tables of the recorded ones before them: then it is not written out."""
    others = [one for one in TABLES if one != name and one in recorded]
    return all(
        made_equal(
            table.values,
            np.broadcast_to(
                expression.value(table.quantities | {one: recorded[one][n].values for one in others}),
                table.values.shape,
            ),
        )
        for n, table in enumerate(recorded[name])
    )


def which(cases):
    """What is right among cases that are not all right, as a line, if there is one."""
    told = [(case.where, case.right) for case in cases]
    if len({case.right for case in cases}) < 2:
        return []
    words = apart(told) or certain(told)
    return [f"  right in {sum(right for _, right in told)} of {len(told)} cases{words and f': {words}'}"]


def timesteps(readers, found):
    """The spacing of the lists that set_timesteps makes."""
    reader = readers[found.check]
    cases = reader.cases
    later = [case for case in cases if "after set_timesteps" in case.where]
    lists = [(case.got, case.steps, case.scheduler.T) for case in later]
    if reader.stopped or not cases:
        untold(found, ("timesteps", "length"), reader.stopped)
    elif all(case.right for case in cases):
        found.reads = {"timesteps": RIGHT, "length": RIGHT}
        found.lines.append(RIGHT)
    elif all(case.close for case in later):
        found.reads = dict.fromkeys(("timesteps", "length"))
        found.lines += [NEARLY, *which(cases)]
    elif any(got is None or got.ndim != 1 for got, *_ in lists):
        untold(found, ("timesteps", "length"), "it is no list of numbers")
    elif spacing := read_list(lists + other_lists(reader.watch.student)):
        found.reads = {"timesteps": spacing.entry.python, "length": spacing.length.python}
        found.lines += [str(spacing), *which(cases)]
    else:
        untold(found, ("timesteps", "length"), "")
        found.lines += which(cases)


def other_lists(student):
    """[(timesteps, S, T)] that tell rounding apart where those of the check cannot."""
    lists = []
    for T, S in OTHER_LISTS:
        scheduler = student.DDPMScheduler(num_train_timesteps=T)
        scheduler.set_timesteps(S)
        lists.append((np.float64(np.asarray(scheduler.timesteps)), S, T))
    return lists


def standard(readers):
    """(betas, alphas_cumprod) of the default tables, or None where they are not right: what is made of wrong tables
    could be called right or wrong for the wrong reason."""
    cases = [case for case in readers["schedule.linear"].cases if case.where.endswith("T = 1000")]
    by_name = {case.name: case.got for case in cases if case.right}
    return (by_name["betas"], by_name["alphas_cumprod"]) if by_name.keys() >= set(TABLES) else None


def prediction(readers, found):
    """x0_hat and epsilon_hat as sums of x_t and the model's output."""
    reader, names = readers[found.check], ("x0_hat", "epsilon_hat")
    found.reads = {name: dict.fromkeys(TERMS) for name in names}
    for name in names:
        cases = [case for case in reader.cases if case.name == name]
        if cases and all(case.right for case in cases) and not reader.stopped:
            found.reads[name] = dict.fromkeys(TERMS, RIGHT)
            found.lines.append(f"{name}: right")
        elif (one := summed(readers, cases)) is None:
            found.lines += [f"{name}: not read{because(readers, reader)}", *which(cases)]
        else:
            others = other_predictions(readers, PREDICTIONS[found.check], name)
            told(found, name, one, found.reads[name], cases, others_agree(one, *others))


def other_predictions(readers, kind, name):
    """(Cases, weights, errors) of x_t and the output at timesteps that the check has not."""
    student, rng, found = readers["reverse.clip"].watch.student, np.random.default_rng(0), []
    scheduler = student.DDPMScheduler(prediction_type=kind, clip_sample=False)
    for t in OTHER_TIMESTEPS:
        output, sample = rng.standard_normal((2, 3, 2, 4, 4), dtype=np.float32)
        got = scheduler.predict(output, t, sample)[("x0_hat", "epsilon_hat").index(name)]
        found.append(measure(np.asarray(got), [sample, output]))
    return Cases(quantities(*standard(readers), OTHER_TIMESTEPS)), *arrays(found)


def others_agree(one, cases, weights, errors):
    """{term: whether what was read holds in other cases}"""
    measured = dict(zip(one.reads, zip(weights.T, errors.T, strict=True), strict=True))
    return {
        term: reading is not None and bool(cases.agrees(reading.expression, *measured[term], CONFIRMED).all())
        for term, reading in one.reads.items()
    }


def because(readers, reader):
    """Why predict was not read, to stand after "not read"; empty where nothing more is known."""
    if not standard(readers) and reader.cases:
        return ": it is read where the tables of the linear schedule are right"
    return reader.stopped and f": {reader.stopped}"


def summed(readers, cases):
    """The Sum of x_t and the output that some answers of predict are, or None."""
    own = standard(readers)
    cases = [case for case in cases if case.got is not None and case.got.shape == case.expected.shape]
    if not own or not cases:
        return None
    terms = [(case.asked[0][2], case.asked[0][0]) for case in cases]
    mine = [measure(case.got, pair) for case, pair in zip(cases, terms, strict=True)]
    rights = [measure(case.expected, pair) for case, pair in zip(cases, terms, strict=True)]
    if not all(mine) or not all(rights):
        return None
    t = [case.asked[0][1] for case in cases]
    return read_sum(Cases(quantities(*own, t)), *arrays(mine), TERMS, arrays(rights)[0])


def arrays(measured):
    """(values, errors) of K Weights on N terms, each (K, N)"""
    return tuple(np.array([getattr(one, name) for one in measured]) for name in ("values", "errors"))


def told(found, name, one, into, cases, holds, partly=()):
    """Write down a weighted sum: what is right, as such; what was read, in full; and which cases are right.

    one     Sum or Step
    into    {term: ...} of found.reads
    cases   all that are told of
    holds   {term: whether what was read holds in other cases, too}
    partly  {term: in what way its formula is right, where its weights are not right in all cases}
    """
    if all(right.all() for right in one.right.values()):
        found.lines += [f"{name}: not read, its weights are nearly right", *which(cases)]
        return
    shown, wrong, unread = [], [], []
    for term, reading in one.reads.items():
        symbol, right = SYMBOLS[term], one.right[term]
        if right.all():
            into[term] = RIGHT
            shown.append(f"+ [right] · {symbol}")
        elif term in partly:
            into[term] = RIGHT if partly[term] == OF_Z else None
            shown.append(f"+ [right {partly[term]}] · {symbol}")
        elif not (reading and sure(reading) and holds[term] and np.all(reading.holds | right)):
            wrong.append(symbol)
            unread.append(symbol)
            shown.append(f"+ [not read] · {symbol}")
        else:
            wrong.append(symbol)
            into[term] = reading.expression.python
            text = combination({term: reading.expression}).unicode
            if text != "0":
                shown.append(f"− {text[1:]}" if text.startswith("−") else f"+ {text}")
    if wrong and len(unread) == len(wrong):
        found.lines.append(f"{name}: not read")
    else:
        text = " ".join(shown).removeprefix("+ ") or "0"
        found.lines.append(f"{name} = {'−' + text[2:] if text.startswith('− ') else text}")
        if any("sigma" in (source or "") for source in into.values()):
            found.lines.append("  where σ is the weight of z")
    if wrong:
        rights = [SYMBOLS[term] for term in one.reads if one.right[term].all()]
        verb = "weight of {} differs" if len(wrong) == 1 else "weights of {} differ"
        line = f"  the {verb.format(' and '.join(wrong))} from the recorded"
        found.lines.append(line + (f"; right: {' and '.join(rights)}" if rights else ""))
    found.lines += which(cases)


def sure(reading):
    """Whether a Reading is plain enough to be told."""
    return not reading.ambiguous and reading.cost <= MOST


def clip(readers, found):
    """What clipping makes of a right x0_hat, and what epsilon_hat is derived from."""
    reader, own = readers[found.check], standard(readers)
    pairs = list(zip(reader.cases[::2], reader.cases[1::2], strict=False))
    found.reads = {"x0_hat": None, "epsilon_hat": dict.fromkeys(CLIPPED_TERMS)}
    if reader.stopped or not pairs:
        found.lines.append(f"not read{reader.stopped and f': {reader.stopped}'}")
        return
    images, noises = ([pair[n] for pair in pairs] for n in (0, 1))
    if all(case.right for case in images):
        found.reads["x0_hat"] = RIGHT
        found.lines.append("x0_hat: right")
    elif all(case.close for case in images):
        found.lines.append(f"x0_hat: {NEARLY}")
    elif own and (one := clipped(readers, images)):
        found.reads["x0_hat"] = one.expression.python
        bounds = one.expression if one.expression.python != "x0_hat" else "not clipped"
        found.lines += [f"x0_hat: {bounds}", *which(images)]
    else:
        found.lines += ["x0_hat: not read", *which(images)]
    if all(case.right for case in noises):
        found.reads["epsilon_hat"] = dict.fromkeys(CLIPPED_TERMS, RIGHT)
        found.lines.append("epsilon_hat: right")
        return
    one = derived(images, noises, own) if own and all(case.right for case in images) else None
    if one:
        told(found, "epsilon_hat", one, found.reads["epsilon_hat"], noises, dict.fromkeys(CLIPPED_TERMS, True))
    else:
        found.lines += ["epsilon_hat: not read", *which(noises)]


def clipped(readers, images):
    """The Clip that some estimates went through; None where it is none, or not the same for both prediction types."""
    before, after = [], []
    for check, kind in PREDICTIONS.items():
        mine = [case for case in images if case.settings["prediction_type"] == kind]
        known = [case for case in readers[check].cases if case.name == "x0_hat"]
        one = summed(readers, known) if known and all(case.right for case in known) else None
        if not one or not all(one.reads.values()) or any(case.got is None for case in mine):
            return None
        weights = [reading.expression for reading in one.reads.values()]
        for case in mine:
            (output, t, sample), _ = case.asked
            here = quantities(*standard(readers), [t])
            before.append(sum(w.value(here) * x for w, x in zip(weights, (sample, output), strict=True)))
            after.append(case.got)
    return read_clip(before, after)


def derived(images, noises, own):
    """The Sum of x_t, the clipped x0_hat and the output that epsilon_hat is; None where it is none."""
    t, outputs, samples = ([case.asked[0][n] for case in noises] for n in (1, 0, 2))
    expected = [
        measure(noise.expected, [x, image.expected, o])
        for noise, image, x, o in zip(noises, images, samples, outputs, strict=True)
    ]
    if not all(expected) or any(case.got is None or case.got.shape != case.expected.shape for case in noises):
        return None
    known = Cases(quantities(*own, t))
    return read_derived(
        known, samples, [case.got for case in images], outputs, [case.got for case in noises], arrays(expected)[0]
    )


def step(readers, found):
    """The weights of a step, from the cases in which it is a plain sum; which of all cases are right."""
    variance, sources = STEPS[found.check]
    forms = DDPM_FORMS if variance else DDIM_FORMS
    found.reads = dict.fromkeys((*forms[0], "z"))
    all_cases = [
        case
        for check in sources
        for case in readers[check].cases
        if not variance or case.settings.get("variance_type") == variance
    ]
    for case in all_cases:
        if case.where.startswith("list"):
            case.where = f"for epsilon, not clipped, {case.where}"
    stopped = next((readers[check].stopped for check in sources if readers[check].stopped), "")
    if all_cases and not stopped and all(case.right for case in all_cases):
        found.reads = dict.fromkeys(found.reads, RIGHT)
        found.lines.append("x_prev: right")
        return
    if not all_cases:
        untold(found, found.reads, stopped)
        return
    own, lists = standard(readers), readers["reverse.timesteps"]
    before = readers["reverse.predict_epsilon"]
    if not own or before.stopped or not all(case.right for case in before.cases):
        untold(found, found.reads, "it is read where the tables of the linear schedule and predict are right")
        return
    if lists.stopped or not all(case.right for case in lists.cases):
        untold(found, found.reads, "it is read where the lists of timesteps are right")
        return
    cases = [case for case in all_cases if plain(case)]
    endless = [case for case in cases if not np.isfinite(case.got).all()]
    cases = [case for case in cases if case not in endless]
    last = np.array([case.asked[0][1] == case.scheduler.listed[-1] for case in cases], bool)
    one = read_plain(cases, own, forms) if np.sum(~last) >= FEWEST else None
    if one is None:
        untold(found, found.reads, stopped or "it is no weighted sum of x_t, ε̂ and z")
        found.lines += which(all_cases)
        return
    found.reads = dict.fromkeys(one.reads)
    if all(right.all() for right in one.right.values()) and all(case.right for case in cases):
        found.reads = dict.fromkeys(one.reads, RIGHT)
        found.lines += ["x_prev: right in these cases", *which(all_cases)]
        return
    partly = {}
    for term, reading in one.reads.items():
        if one.right[term][~last].all():
            partly[term] = "but in the last step"
        elif term in one.follows:
            partly[term] = OF_Z if "sigma" in reading.expression.symbols else "in some cases"
    others = other_steps(readers, found.check)
    holds = confirmed(one, *others) if others else dict.fromkeys(one.reads, False)
    told(found, "x_prev", one, found.reads, all_cases, holds, partly)
    if endless:
        found.lines.append(f"  NaN or infinite in {len(endless)} of these cases, such as {endless[0].where}")
    if stopped:
        found.lines.append(f"  some cases were not run: {stopped}")


def other_steps(readers, check):
    """(Cases, weights, errors) of steps that the checks have not, over the full list and a short one; None of few."""
    variance, _ = STEPS[check]
    student, rng, found, asked = readers[check].watch.student, np.random.default_rng(0), [], []
    for S, places in ((1000, [999 - t for t in OTHER_TIMESTEPS]), (20, (0, 7, 15))):
        kind = student.DDPMScheduler if variance else student.DDIMScheduler
        scheduler = kind(clip_sample=False, **({"variance_type": variance} if variance else {}))
        scheduler.set_timesteps(S)
        steps = np.asarray(scheduler.timesteps).tolist()
        for place, eta in zip(places, (1.0, 0.6, 0.2, 1.0), strict=False):
            output, sample, noise = rng.standard_normal((3, 3, 2, 4, 4), dtype=np.float32)
            options = {"variance_noise": noise} | ({} if variance else {"eta": eta})
            got = np.asarray(scheduler.step(output, steps[place], sample, **options))
            if np.isfinite(got).all():
                found.append(measure(got, [sample, output, noise]))
                asked.append((steps[place], steps[place + 1], eta))
    if len(found) < OTHERS:
        return None
    t, previous, eta = map(np.array, zip(*asked, strict=True))
    own = standard(readers)
    return Cases(quantities(*own, t, previous, None if variance else eta)), *arrays(found)


def plain(case):
    """Whether a step is a sum of x_t, the output and z: for epsilon, not clipped, with the default tables."""
    return (
        not case.settings.get("clip_sample", True)
        and case.settings.get("prediction_type", "epsilon") == "epsilon"
        and "num_train_timesteps" not in case.settings
        and case.got is not None
        and case.got.shape == case.expected.shape
    )


def read_plain(cases, own, forms):
    """The Step that some cases are, or None where they are no weighted sums."""
    mine, t, previous, eta, wanted = [], [], [], [], []
    for case in cases:
        (output, timestep, sample), named = case.asked
        mine.append(measure(case.got, [sample, output, named["variance_noise"]]))
        following = [*case.scheduler.listed, -1]
        t.append(timestep)
        previous.append(following[following.index(timestep) + 1])
        eta.append(named.get("eta", 0.0))
        epsilon, x, z = case.forms[2]
        wanted.append([x, epsilon, z])
    if not all(mine):
        return None
    known = Cases(quantities(*own, t, np.array(previous), eta if forms is DDIM_FORMS else None))
    return read_step(known, *arrays(mine), np.array(wanted), forms)


# ----- showing -------------------------------------------------------------------------------------------------------


def as_text(found):
    """What was read, for people."""
    return "\n".join("\n  ".join([f"{one.what} ({one.check})", *one.lines]) for one in found)


def as_data(found):
    """{check: {term: Python over the symbols of the handout, "right", or None where it was not read}}"""
    return {one.check: one.reads for one in found}
