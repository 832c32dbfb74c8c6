"""Canvas on loopback, as far as its documentation says how grades come in (doc/api: Submissions, Users, Pagination,
Throttling, File uploads), with faults on demand."""

import json
import re
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

TOKEN = "7~a-very-secret-token"
COURSE, ASSIGNMENT = 12, 345
PAGE = 2  # entries


class Canvas:
    """What it holds, and what it was asked.

    users        {number: facts}
    submissions  {number of a user: score, excused, comments}
    requests     (method, path) of all that it understood
    faults       (method, words in the path, what to answer): the first that fits is used up. A number is the status;
                 "lost" does what is asked and hangs up without an answer; "cut" hangs up at once
    """

    def __init__(self, users):
        self.users = {user["id"]: user for user in users}
        self.submissions = {number: {"user_id": number, "submission_comments": []} for number in self.users}
        self.assignment = {"id": ASSIGNMENT, "course_id": COURSE, "name": "Homework", "points_possible": 120,
                           "grading_type": "points", "post_manually": False}  # fmt: skip
        self.requests, self.faults, self.files, self.policy = [], [], {}, 1.0
        self.token = TOKEN

    def fault(self, method, path):
        for n, (verb, words, answer) in enumerate(self.faults):
            if verb == method and words in path:
                del self.faults[n]
                return answer
        return None

    def puts(self):
        return [path for method, path in self.requests if method == "PUT"]


class Handler(BaseHTTPRequestHandler):
    canvas: Canvas

    def log_message(self, *_):
        pass

    def answer(self, status, value, **headers):
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_it(self):
        canvas, where = self.canvas, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = canvas.fault(self.command, where.path)
        if fault == "cut":
            return self.hang_up()
        if where.path.startswith("/upload/"):
            assert "Authorization" not in self.headers, "the token is for the API alone"
            number = int(where.path.rpartition("/")[2])
            canvas.files[number]["data"] = body
            return self.answer(201, {"id": number, "url": "http://x", "display_name": canvas.files[number]["name"]})
        if self.headers.get("Authorization") != f"Bearer {canvas.token}":
            told = {"errors": [{"message": "Invalid access token."}]}
            return self.answer(401, told, WWW_Authenticate='Bearer realm="canvas-lms"')
        canvas.requests.append((self.command, where.path))
        if fault == 403:
            return self.answer(403, "403 Forbidden (Rate Limit Exceeded)\n", X_Rate_Limit_Remaining="0.0")
        if isinstance(fault, int):
            return self.answer(fault, {"errors": [{"message": f"fault {fault}"}]})
        status, value, headers = self.understood(where, dict(parse_qsl(body.decode(errors="replace"))))
        if fault == "lost":
            return self.hang_up()
        return self.answer(status, value, **headers)

    do_GET = do_POST = do_PUT = handle_it

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def understood(self, where, data):
        canvas = self.canvas
        course = f"/api/v1/courses/{COURSE}"
        own = f"{course}/assignments/{ASSIGNMENT}"
        if self.command == "GET" and where.path == own:
            return 200, canvas.assignment, {}
        if self.command == "GET" and where.path in (f"{course}/users", f"{course}/search_users"):
            return self.page(where, list(canvas.users.values()))
        if self.command == "GET" and where.path == f"{own}/submissions":
            return self.page(where, list(canvas.submissions.values()))
        found = re.fullmatch(rf"{own}/submissions/(\d+)(/comments/files)?", where.path)
        if not found or int(found[1]) not in canvas.submissions:
            return 404, {"errors": [{"message": "The specified resource does not exist."}]}, {}
        entry = canvas.submissions[int(found[1])]
        if found[2]:
            number = len(canvas.files) + 1
            canvas.files[number] = data
            url = f"http://{self.headers['Host']}/upload/{number}"
            return 200, {"upload_url": url, "upload_params": {"key": "x"}}, {}
        if "submission[posted_grade]" in data:
            entered = float(data["submission[posted_grade]"])
            entry |= {"entered_score": entered, "score": entered * canvas.policy, "excused": False}
        if "submission[excuse]" in data:
            entry |= {"entered_score": None, "score": None, "excused": data["submission[excuse]"] == "true"}
        if "comment[text_comment]" in data:
            file = int(data["comment[file_ids][]"])
            attachments = [{"id": file, "display_name": canvas.files[file]["name"]}]
            comment = {"comment": data["comment[text_comment]"], "attachments": attachments}
            entry["submission_comments"] = [*entry["submission_comments"], comment]
        return 200, {key: value for key, value in entry.items() if key != "submission_comments"}, {}

    def page(self, where, entries):
        asked = dict(parse_qsl(where.query))
        number = int(asked.get("page", 1))
        part, url = entries[(number - 1) * PAGE : number * PAGE], f"http://{self.headers['Host']}{where.path}"
        query = where.query.replace(f"&page={number}", "")
        more = number * PAGE < len(entries)
        links = f'<{url}?{query}&page={number + 1}>; rel="next"' if more else f'<{url}?{query}&page=1>; rel="first"'
        return 200, part, {"Link": links}


@contextmanager
def served(canvas):
    """The address of a server."""
    handler = type("Served", (Handler,), {"canvas": canvas})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    wrong = []
    server.handle_error = lambda *_: wrong.append(sys.exception())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        assert all(isinstance(error, OSError) for error in wrong), wrong  # an OSError: who hung up cannot be answered
