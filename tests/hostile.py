"""The hostile submissions of tests/submissions/hostile, run one by one in a scene that would show any success.

Each file there holds an attack. `attack()` tries something forbidden once, inside of add_noise, and its submission then
answers rightly: what it brings home is printed as WORKED. `answer(...)` takes the place of add_noise. A file with
neither does its work at import. All the rest is the reference. An attacker knows everything but the secrets
themselves: TARGETS holds where they lie, and which process grades.

What is called `file` in the expectations may also be "infer.py": the attack then follows the reference's program, when
that has written its files. Or "archive": `make(path, scheduler)` writes what is handed in.

With a second box, the reference is graded in it again and again while the attack runs, and must lose nothing.

Run as a program, `python tests/hostile.py A|B|E`, it prints one outcome a line as JSON: test_hostile.py starts it under
other users and in an imitated container.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import runpy
import secrets
import socket
import sys
import tempfile
import threading
import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import reference
from courses import TO_5

from autograder.box import Box, Layers
from autograder.box.launch import descendants
from autograder.expectations import Expectations
from autograder.grading import grade
from autograder.instructor.authoring.recording import record
from autograder.paths import PUBLIC, ROOT
from autograder.record import PASSED
from autograder.reports import html
from autograder.rubric import Rubric
from autograder.text import readable

HERE = Path(__file__).parent / "submissions" / "hostile"
EXPECTATIONS = tomllib.loads((HERE / "expectations.toml").read_text(encoding="utf-8"))
CHECK = "forward.add_noise"  # the one that attacks happen in
RIGHT = "return alpha_bar.sqrt() * original_samples + (1 - alpha_bar).sqrt() * noise"
FRAME = '''

ATTACKS = []


def hostile(right, original_samples, noise, timesteps):
    """What add_noise of this submission returns."""
    if "answer" in globals():
        return answer(right, original_samples, noise, timesteps)
    if "attack" in globals() and not ATTACKS:
        ATTACKS.append(attack)
        try:
            print(f"WORKED: {attack()!r}"[:1000])
        except Exception as error:
            print(f"denied: {error!r}"[:1000])
    return right()
'''


# What is put before an attack that follows infer.py.
BEHIND = '''
def path(option):
    """The file that the grader asked for with this option."""
    import sys
    return sys.argv[sys.argv.index(option) + 1]


def put(option, change):
    """Change the bytes of that file."""
    with open(path(option), "rb") as file:
        data = change(file.read())
    with open(path(option), "wb") as file:
        file.write(data)


def chunk(name, content):
    """A chunk of a PNG."""
    import struct
    import zlib
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
'''


@dataclass
class Outcome:
    """What one attack came to. `worked` is the evidence of any success, "" for none; `denied` what it met."""

    name: str
    worked: str
    denied: str
    points: float
    verdicts: dict
    messages: dict


class Scene:
    """Secrets, files to destroy and servers to reach, beside a box."""

    def __init__(self, box, public):
        self.box = box
        self.folder = tempfile.TemporaryDirectory(prefix="ddpm-scene-")
        self.canary = f"CANARY-{secrets.token_hex(16)}"
        names = {
            "solution": "scheduler.py",
            "seed": "seed",
            "expectations": "hidden.safetensors",
            "gradebook": "grades",
        }
        self.secrets = {kind: self.write(f"{kind}/{name}") for kind, name in names.items()}
        home = self.write("home/.ssh/id").parent.parent
        self.outside = Path(self.folder.name, "outside")
        self.outside.mkdir()
        self.victim = self.write("outside/victim")
        for path in (Path(self.folder.name), *Path(self.folder.name).rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)  # what the box does not close, nothing else closes
        self.victim_before = self.victim.stat()
        self.other = box.stage({"scheduler.py": f"# {self.canary}\n".encode()})
        os.environ["CANARY"] = self.canary
        self.listen()
        self.targets = {
            **{name: str(path) for name, path in self.secrets.items()},
            "home": str(home),
            "kit": str(ROOT),
            "scene": self.folder.name,
            "outside": str(self.outside),
            "victim": str(self.victim),
            "other": str(self.other),
            "grader": os.getpid(),
            # The first image of each batch, too, and all in half precision: these are asked for as well.
            "public_inputs": [
                hashlib.sha256(np.sort(part.ravel()).astype(kind).astype(part.dtype)).hexdigest()
                for array in public.inputs(CHECK)
                for part in (array, np.atleast_1d(array)[:1])
                for kind in (part.dtype, np.float16)
            ],
            **self.addresses,
        }

    def write(self, name):
        path = Path(self.folder.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {self.canary}\n", encoding="utf-8")
        return path

    def listen(self):
        self.listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)]
        self.listeners[1].bind(("127.0.0.1", 0))
        self.addresses = {"tcp": self.listeners[0].getsockname()[1], "udp": self.listeners[1].getsockname()[1]}
        paths = {"unix": f"{self.folder.name}/stream", "datagram": f"{self.folder.name}/datagram"}
        abstract = f"ddpm-{secrets.token_hex(4)}"
        for address, kind in (
            (paths["unix"], socket.SOCK_STREAM),
            (paths["datagram"], socket.SOCK_DGRAM),
            (f"\0{abstract}", socket.SOCK_STREAM),
        ):
            listener = socket.socket(socket.AF_UNIX, kind)
            listener.bind(address)
            if kind == socket.SOCK_STREAM:
                listener.listen()
            self.listeners.append(listener)
        for path in paths.values():
            os.chmod(path, 0o777)
        self.addresses |= {**paths, "abstract": abstract}
        for listener in self.listeners:
            listener.setblocking(False)

    def damage(self):
        """What an attack did to the scene, in words; the scene is whole again afterwards."""
        found = [f"reached {listener.getsockname()!r}" for listener in self.listeners if reached(listener)]
        for path in self.outside.iterdir():
            if path != self.victim:
                found.append(f"wrote {path.name}")
                path.rmdir() if path.is_dir() else path.unlink()
        before, after = self.victim_before, self.victim.stat() if self.victim.exists() else None
        kept = ("st_mode", "st_uid", "st_size", "st_mtime", "st_ino")
        if not after or any(getattr(before, name) != getattr(after, name) for name in kept):
            found.append("changed the victim")
            self.write("outside/victim")
            self.victim.chmod(0o666)
            self.victim_before = self.victim.stat()
        for folder in ("/tmp", "/dev/shm", "/var/tmp"):
            if (note := Path(folder, "hostile-note")).exists():
                found.append(f"wrote {note}")
                note.unlink()
        return found

    def close(self):
        for listener in self.listeners:
            listener.close()
        self.box.discard(self.other)
        del os.environ["CANARY"]
        self.folder.cleanup()


def reached(listener):
    """Whether anything arrived at a socket; it is taken out."""
    try:
        if listener.type == socket.SOCK_DGRAM:
            return bool(listener.recv(100))
        listener.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def compose(name, targets):
    """The whole scheduler.py of a hostile submission."""
    whole = reference.SCHEDULER
    assert whole.count(RIGHT) == 1
    answers = RIGHT.replace("return", "return hostile(lambda:") + ", original_samples, noise, timesteps)"
    attack = (HERE / f"{name}.py").read_text(encoding="utf-8")
    # The attack stands last: one that never ends at import has at least defined what it is part of.
    return "\n\n".join([whole.replace(RIGHT, answers), FRAME, f"TARGETS = {targets!r}", attack])


def hand_in(name, folder, targets):
    """Write a hostile submission below a folder; returns its path."""
    kind = EXPECTATIONS[name].get("file", "scheduler.py")
    scheduler, infer = reference.SCHEDULER, reference.INFER
    if kind == "archive":
        runpy.run_path(HERE / f"{name}.py")["make"](folder / "work", scheduler.encode())
        return folder / "work"
    texts = {"scheduler.py": compose(name, targets)}
    if kind == "infer.py":
        attack = (HERE / f"{name}.py").read_text(encoding="utf-8")
        texts = {"scheduler.py": scheduler, kind: f"{infer}\n\nTARGETS = {targets!r}\n{BEHIND}\n\n{attack}"}
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", errors="surrogatepass")
    return folder


def parts_of(name):
    """The parts that show what an attack does, and the check that it happens in."""
    if EXPECTATIONS[name].get("file") == "infer.py":
        return ("infer",), "infer.ddim"
    return ("forward",), CHECK


class Beside(threading.Thread):
    """Grades the reference in a box of its own, at least once, until `lost` is asked for."""

    def __init__(self, box, *how):
        super().__init__()
        self.box, self.how = box, how
        self.over, self.problems = threading.Event(), []
        self.start()

    def run(self):
        while True:
            try:
                graded = grade(ROOT / "solution", self.box, *self.how)
                self.problems += [f"{check.id}: {check.message}" for check in graded.checks if check.verdict != PASSED]
            except Exception as error:
                self.problems.append(repr(error))
            if self.over.is_set():
                return

    def lost(self):
        """What it lost, in words."""
        self.over.set()
        self.join()
        return [f"the reference beside it lost {problem}" for problem in dict.fromkeys(self.problems)]


def run(name, scene, rubric, public, hidden, only=TO_5, beside=None):
    """Grade one hostile submission in the scene's box, with another box the reference beside it, and look at what it
    did."""
    expected = EXPECTATIONS[name]
    box = scene.box
    before = set(box.spool.iterdir()), descendants(box.parent.process.pid)
    with tempfile.TemporaryDirectory() as folder:
        handed_in = hand_in(name, Path(folder), scene.targets)
        changed = replace(rubric, limits=rubric.limits | expected.get("limits", {}), box={"minimum_tier": "E"})
        reference = beside and Beside(beside, replace(rubric, box={"minimum_tier": "E"}), public, hidden, only)
        graded = grade(handed_in, box, changed, public, hidden, only)
        lost = reference.lost() if beside else []
    found = scene.damage() + lost
    if (set(box.spool.iterdir()), descendants(box.parent.process.pid)) != before:
        found.append("left something behind")
    told = "\n".join(repr(check) for check in graded.checks) + repr(graded.notes)
    if any(
        readable(text, None, lines=True) != text for check in graded.checks for text in (check.message, check.output)
    ):
        found.append("told what acts on a terminal")
    if scene.canary in told:
        found.append("told a secret")
    if any(array.ravel()[:3].tobytes().hex() in told for array in hidden.inputs(CHECK) if array.size > 3):
        found.append("told a hidden input")
    page = html.render(graded, rubric)
    if "<script>alert" in page or "<img src=x" in page or re.search("href=.(javascript|data|vbscript)", page):
        found.append("told what acts on a page")
    printed = next((check.printed for check in graded.checks if check.id == parts_of(name)[1]), "")
    if "WORKED" in printed:
        found.append(printed[printed.index("WORKED") :][:300])
    return Outcome(
        name,
        "; ".join(found),
        printed or " ".join(graded.notes),
        graded.points,
        {check.id: check.verdict for check in graded.checks},
        {check.id: check.message for check in graded.checks},
    )


CALLERS = ("loss.epsilon", "loss.v_prediction")  # they call add_noise, and may be lost with its check


def problems(outcome, tier):
    """What is not as the expectations say, as a list of sentences."""
    expected = EXPECTATIONS[outcome.name]
    stopped = tier in expected.get("stopped_by", "AB")
    found = []
    if stopped and outcome.worked:
        found.append(f"it worked: {outcome.worked}")
    if not stopped and not outcome.worked and expected.get("tried_unconfined", True):
        found.append(f"it should work at tier {tier}, to show that the test can fail; it met: {outcome.denied}")
    if not stopped:
        return found
    if expected.get("denied", "") not in outcome.denied:
        found.append(f"it was to meet {expected['denied']!r}, and met {outcome.denied!r}")
    for check, verdict in outcome.verdicts.items():
        if check in CALLERS and outcome.verdicts[parts_of(outcome.name)[1]] != PASSED:
            continue
        wanted = expected.get("verdicts", {})
        right = wanted.get(check, wanted.get("*", PASSED))
        loses = check == parts_of(outcome.name)[1] and expected.get("loses", False)
        if "score" in expected and not wanted and not loses and expected["score"][0] == 0:
            continue  # it harms itself, as it likes
        if (verdict == PASSED) if loses else (verdict != right):
            found.append(f"{check}: {verdict} instead of {'no pass' if loses else right}: {outcome.messages[check]}")
    for check, words in expected.get("messages", {}).items():
        found += [
            f"no {word!r} in {outcome.messages[check]!r}" for word in words if word not in outcome.messages[check]
        ]
    return found


def names():
    """The attacks that this kind of machine can run."""
    return [name for name, entry in EXPECTATIONS.items() if entry.get("machine") in (None, platform.machine())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tier", choices="ABE")
    parser.add_argument("attacks", nargs="*")
    options = parser.parse_args()
    layers = {"A": Layers.of_this_host, "B": lambda: replace(Layers.of_this_host(), bubblewrap=""), "E": Layers}
    rubric = Rubric.load()
    public = Expectations.load(PUBLIC)
    with Box(rubric.limits, layers[options.tier]()) as box, Box(rubric.limits, layers[options.tier]()) as other:
        print(json.dumps({"tier": box.tier, "user": box.layers.user, "missing": box.layers.missing}), flush=True)
        attacks = options.attacks or names()
        parts = {part for name in attacks for part in (*TO_5, *parts_of(name)[0])}
        ids = [id for id, entry in rubric.checks.items() if entry.part in parts]
        hidden = record(box, rubric, "a test seed", only=ids)
        scene = Scene(box, public)
        for name in attacks:
            entry = EXPECTATIONS[name]
            unsafe = not (box.tier in entry.get("stopped_by", "AB") or entry.get("tried_unconfined", True))
            if not unsafe:
                only = parts_of(name)[0] if "*" not in str(entry) else TO_5
                beside = other if box.tier != "E" else None  # which promises others nothing
                outcome = run(name, scene, rubric, public, hidden, only, beside)
                print(json.dumps(asdict(outcome) | {"problems": problems(outcome, box.tier)}), flush=True)
        scene.close()


if __name__ == "__main__":
    sys.exit(main())
