"""Marking in a real browser: formgrader as `make formgrader` starts it, in Debian's Chromium."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from test_gradebook import Classroom, hostile, notebook, record

from autograder.instructor.gradebook import guide, results
from autograder.instructor.handins.roster import Person
from autograder.paths import ROOT

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromium-driver"),
]


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    made = Classroom(tmp_path_factory.mktemp("class"), [Person("ada", "Ada", "L"), Person("mallory"), Person("zoe")])
    answers = {
        "warmup": "All land near the **mean** of the data, $x_0$, as nothing is known at $t = T-1$.",
        "schedules_answer": "With few steps cosine wins:\n\n| S | linear | cosine |\n|---|---|---|\n| 10 | .31 | .12 |",
    }
    made.hand_in("ada", json.dumps(notebook(**answers)).encode())
    attacking = notebook(warmup="The mean.")
    hostile(attacking)
    attacking.cells.append(nbformat.v4.new_code_cell(f"open({str(made.folder / 'ran')!r}, 'w')"))
    made.hand_in("mallory", json.dumps(attacking).encode())
    made.hand_in("zoe", None)
    made.record("ada", record(losing=["ddim.eta"], message="sigma is too large by <b>half</b>"))
    made.record("mallory", record())
    made.record("zoe", record(ungraded=["training.epsilon"]))
    made.fill()
    return made


@pytest.fixture(scope="module")
def address(classroom):
    """Where formgrader answers."""
    options = ["--allow-root", "--no-browser", "--ServerApp.port=0", "--IdentityProvider.token="]
    command = [sys.executable, "-m", "autograder.instructor.gradebook", "formgrader", classroom.folder, "--", *options]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    os.set_blocking(server.stderr.fileno(), False)
    yield found[0]
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1100,1300", f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.implicitly_wait(10)
    yield driver
    driver.quit()


def picture(browser, tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / f"{name}.png"
    browser.save_screenshot(path)
    assert path.stat().st_size > 10_000


def submission(classroom, student):
    with classroom.course.gradebook() as gradebook:
        return gradebook.find_submission_notebook("report", "homework", student).id


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_points_and_a_comment_are_given_beside_the_guide(classroom, address, browser, tmp_path_factory):
    browser.get(f"{address}/formgrader/gradebook/homework/report")
    browser.find_element("link text", "Submission #3")
    picture(browser, tmp_path_factory, "list")
    assert "95 / 120" in browser.find_element("tag name", "tbody").text
    browser.get(f"{address}/formgrader/submissions/{submission(classroom, 'ada')}")
    page = browser.find_element("tag name", "body").text
    assert page.count(guide.MARK) == 7 and page.count("Marking guide.") == 7
    score, comment = browser.find_element("id", "warmup"), browser.find_element("id", "warmup-comment")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", score)
    score.send_keys("1.5\t")
    comment.send_keys("The mean, *yes*: but why just there?\t")
    browser.find_element("id", "schedules_answer").send_keys("3\t")
    until(lambda: classroom.grades()["ada"].complete)
    picture(browser, tmp_path_factory, "marking")
    browser.get(f"{address}/formgrader/gradebook/homework/report")
    until(lambda: "99.5 / 120" in browser.find_element("tag name", "tbody").text)
    picture(browser, tmp_path_factory, "marked")
    grade = classroom.grades()["ada"]
    assert grade.points == 99.5 and grade.parts["report"] == 4.5


@pytest.mark.skipif(not importlib.util.find_spec("jupyter_server_mathjax"), reason="needs jupyter-server-mathjax")
def test_formulas_are_drawn_without_a_network(classroom, address, browser):
    browser.get(f"{address}/formgrader/submissions/{submission(classroom, 'ada')}")
    until(lambda: browser.find_elements("class name", "MathJax"))
    assert all(source.startswith((address, "data:")) for source in sources(browser) if source)


def test_nothing_that_a_student_wrote_acts_there(classroom, address, browser, tmp_path_factory):
    browser.get(f"{address}/formgrader/submissions/{submission(classroom, 'mallory')}")
    assert "onerror=alert(1)" in browser.find_element("tag name", "body").text, "it is shown as text"
    time.sleep(1)
    assert browser.title == "report"  # and an alert would have raised
    assert not [src for src in sources(browser) if "evil" in src]
    picture(browser, tmp_path_factory, "hostile")


def sources(browser):
    return browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
        ".concat([...document.querySelectorAll('[src]')].map(each => each.src))"
    )


def test_its_buttons_take_our_path(classroom, address, browser, tmp_path_factory):
    """Autograde: no student code, points of the record as it is now. Generate feedback: no line of the guide."""
    for student in ("mallory", "ada"):
        classroom.record(student, record(losing=["schedule.linear"]))
        browser.get(f"{address}/formgrader/manage_submissions/homework")
        row = browser.find_element("xpath", f"//tr[.//td[contains(., '{'L, Ada' if student == 'ada' else student}')]]")
        row.find_element("css selector", ".glyphicon-flash").click()
        until(lambda: "Successfully autograded" in browser.find_element("tag name", "body").text)
        assert classroom.grades()[student].parts["schedule"] == 10
    assert not (classroom.folder / "ran").exists()
    classroom.by_hand("ada", warmup=2, schedules_answer=1)
    browser.get(f"{address}/formgrader/manage_submissions/homework")
    row = browser.find_element("xpath", "//tr[.//td[contains(., 'L, Ada')]]")
    row.find_element("css selector", ".glyphicon-comment").click()
    until(lambda: "Successfully generated feedback" in browser.find_element("tag name", "body").text)
    page = classroom.course.feedback("ada").read_text(encoding="utf-8")
    assert "(Score: 98.0 / 120.0)" in page and not any(line in page for line in guide.lines())


def test_the_page_that_a_student_gets(classroom, browser, tmp_path_factory):
    classroom.record("ada", record(losing=["ddim.eta"], message="sigma is too large by <b>half</b>"))
    classroom.fill()
    classroom.by_hand("ada", warmup=1.5, schedules_answer=3)
    with classroom.course.gradebook() as gradebook:
        gradebook.find_comment("warmup", "report", "homework", "ada").manual_comment = "The mean, *yes*: but why?"
        gradebook.db.commit()
    assert results.feedback(classroom.folder, [classroom.grades()["ada"]]) == {}
    browser.get(classroom.course.feedback("ada").as_uri())
    picture(browser, tmp_path_factory, "feedback")
    page = browser.find_element("tag name", "body").text
    assert "report (Score: 99.5 / 120.0)" in page and "The mean, yes: but why?" in page
    assert "sigma is too large by <b>half</b>" in page and guide.MARK not in page
    for id in ("warmup", "part_ddim"):
        browser.execute_script(f"document.getElementsByName('{id}')[0].scrollIntoView()")
        picture(browser, tmp_path_factory, f"feedback_{id}")
