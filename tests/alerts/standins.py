"""Stand-ins for the services that Alertmanager notifies: they take what it sends and keep it."""

import email
import email.policy
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

PATIENCE = 180


class Web:
    """One HTTP server for all services, told apart by the first part of the path."""

    def __init__(self):
        self.received, self.arrived = [], threading.Condition()
        standin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # WeCom gives out a token before it takes a message
                self.answer({"errcode": 0, "access_token": "token"})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                standin.keep(self.path.split("/")[1].split("?")[0], self.path, body)
                self.answer({"errcode": 0, "ok": True})

            def answer(self, value):
                text = json.dumps(value).encode()
                self.send_response(202 if "pagerduty" in self.path or "opsgenie" in self.path else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                """Says nothing: what came is looked at later."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keep(self, service, path, body):
        with self.arrived:
            self.received.append((service, path, body))
            self.arrived.notify_all()

    def until(self, look, right):
        """What `look` makes of all that came, once that is right or nothing new is to be waited for; then forgets it."""
        with self.arrived:
            self.arrived.wait_for(lambda: right(look(self.received)), timeout=PATIENCE)
            received, self.received = self.received, []
        return look(received)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Mailbox:
    """An SMTP server; what it takes is kept with that of the web."""

    def __init__(self, web):
        self.web = web
        # Any free port: aiosmtpd itself takes the number as given.
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.controller.start()
        self.address = f"127.0.0.1:{self.controller.port}"

    async def handle_DATA(self, _server, _session, envelope):
        self.web.keep("email", "", envelope.content)
        return "250 OK"

    def close(self):
        self.controller.stop()


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mail(body):
    """Subject, text and HTML of a message."""
    message = email.message_from_bytes(body, policy=email.policy.default)
    return message["Subject"], message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()


def until(condition, what):
    """Waits for a condition; TimeoutError names it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(what)
