"""A SigOpt server in this process, as far as the tuner speaks to one; the service itself is gone."""

import base64
import json
import random
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Experiments, and what it is to answer instead of them."""

    def __init__(self):
        self.experiments, self.observations, self.calls = [], [], []
        self.suggestions = {}
        self.answers = []  # status codes of the next calls, None for no answer at all
        self.lost = 0  # of the next calls, those that are done and then not answered
        self.rng = random.Random(0)

    def post_experiment(self, told):
        self.experiments.append({**told, "object": "experiment", "id": str(len(self.experiments) + 1)})
        return self.experiments[-1]

    def post_suggestion(self, told):
        made = {p["name"]: self.draw(p) for p in self.experiments[-1]["parameters"]}
        number = str(len(self.suggestions) + 1)
        self.suggestions[number] = {"object": "suggestion", "id": number, "state": "open", "assignments": made}
        return self.suggestions[number]

    def draw(self, parameter):
        if parameter["type"] == "categorical":
            return self.rng.choice(parameter["categorical_values"])
        low, high = parameter["bounds"]["min"], parameter["bounds"]["max"]
        return self.rng.randint(low, high) if parameter["type"] == "int" else self.rng.uniform(low, high)

    def post_observation(self, told):
        made = {**told, "object": "observation", "id": str(len(self.observations) + 1)}
        self.observations.append(made)
        return made

    def get_observations(self):
        return {"object": "pagination", "count": len(self.observations), "data": self.observations, "paging": {}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *about):
        """Say nothing."""

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        told = json.loads(self.rfile.read(length) or "{}")
        server, path = self.server.state, self.path.partition("?")[0]
        server.calls.append((self.command, path))
        token = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode().rstrip(":")
        status = server.answers.pop(0) if server.answers else 200
        if status is None:
            self.close_connection = True
            return
        if status == 200 and token != "right":
            status = 401
        made = {"message": "not now"} if status != 200 else self.made(server, path, told)
        if status == 200 and self.command == "POST" and server.lost:
            server.lost -= 1
            self.close_connection = True
            return
        data = json.dumps(made).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer

    def made(self, server, path, told):
        if path == "/v1/experiments":
            return server.post_experiment(told)
        if re.fullmatch(r"/v1/experiments/\d+/suggestions", path):
            return server.post_suggestion(told)
        assert re.fullmatch(r"/v1/experiments/\d+/observations", path), path
        return server.post_observation(told) if self.command == "POST" else server.get_observations()


@contextmanager
def running():
    """Give a server and its URL."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.state, http.daemon_threads = Server(), True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield http.state, f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
