# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory: an AWS account (IAM and STS) on a loopback port that lags, refuses, breaks and lives on another day, as told.

Beside AWS's own protocol it answers `POST /_lab/<operation>` with JSON arguments: the operations of `account.World` and those of
`Server.OPERATIONS`. `lab.client.Lab` speaks it. As a process:

    python tests/lab/server.py --port-file FILE
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # As a script the folder of this file comes first; its modules are known by the folder above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from lab import faults
from lab.account import World
from lab.messages import LENIENT, Fault, Request
from lab.wire import Answer, Call, error_answer
from moto.core.exceptions import ServiceException

HANG_SECONDS = 300


@dataclass(frozen=True)
class Ending:
    """How a request ends: with an answer or none, one that breaks off after a part, one after which nobody listens."""

    answer: Answer | None
    part: float = 1
    last: bool = False


class Server:
    """A laboratory within this process. moto's state is global: one at a time."""

    OPERATIONS = (
        "reset",
        "fault",
        "clear_faults",
        "faults",
        "requests",
        "clear_requests",
        "wait_paused",
        "release",
        "lab_id",
    )
    WORLD_OPERATIONS = (
        *("clock", "settings", "account", "seed", "add_key", "set_key", "delete_key", "use", "forget_uses"),
        *("rename_user", "delete_user", "recreate_user", "attach", "state", "deny", "allow_only", "allow_all"),
    )

    def __init__(self, **settings: Any) -> None:
        self.world = World()
        self.world.settings(**settings)
        self.id = uuid.uuid4().hex
        self.lock = threading.Lock()
        self.gate = threading.Condition(self.lock)
        self.connections: set[socket.socket] = set()
        self.stopped = threading.Event()
        self.listener: socket.socket | None = None
        self.port = 0
        self.refuse_until = 0.0
        self._clear()

    def _clear(self) -> None:
        self.log: list[Request] = []
        self.numbered = 0
        self.in_flight = 0
        self.pending: list[Fault] = []
        self.paused = 0
        self.releases = 0
        self.began = time.monotonic()
        self.generation = object()

    # -- life

    def start(self) -> str:
        """Listen on a free port of the loopback; the URL."""
        self.world.install()
        self._listen()
        threading.Thread(target=self._accept, name="laboratory", daemon=True).start()
        return self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.stopped.set()
        with self.lock:
            self._clear()
            self.gate.notify_all()
        self.hang_up()
        self.world.uninstall()

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.listener = listener

    def _accept(self) -> None:
        while not self.stopped.is_set():
            listener = self.listener
            if listener is None:
                time.sleep(0.01)
                if time.monotonic() >= self.refuse_until and not self.stopped.is_set():
                    with_no_error(self._listen)
                continue
            try:
                connection, address = listener.accept()
            except OSError:
                continue
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        with self.lock:
            self.connections.add(connection)
        try:
            # The handler only keeps its server, so that it need not be socketserver's.
            Handler(connection, address, self)  # type: ignore[arg-type]
        except OSError:
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()

    def hang_up(self, keep: socket.socket | None = None) -> None:
        """Stop listening and cut the connections that are open."""
        listener, self.listener = self.listener, None
        if listener is not None:
            # Wakes the thread that waits in accept(); close alone does not.
            with_no_error(listener.shutdown, socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            connections = self.connections - {keep}
        for connection in connections:
            cut(connection)

    # -- requests

    def aws(self, call: Call, connection: socket.socket) -> Ending:
        """How one request ends, once its faults have happened."""
        request, met, generation = self._note(call, connection)
        try:
            if self.world.rules.latency_ms:
                time.sleep(self.world.rules.latency_ms / 1000)
            ending = self._suffer([fault for fault in met if fault.when == "before"], request, connection)
            if ending is None:
                answer = self.world.answer(call, request)
                request.executed = answer.status < 400
                ending = self._suffer([fault for fault in met if fault.when == "after"], request, connection) or Ending(
                    answer
                )
                if during := [fault for fault in met if fault.when == "during"]:
                    ending = Ending(answer, part=during[0].part)
                elif any(fault.kind == "refuse" and fault.when == "after" for fault in met):
                    ending = Ending(answer, last=True)
            ahead = sum(fault.seconds for fault in met if fault.kind == "date")
            if ahead and ending.answer:
                ending = replace(ending, answer=replace(ending.answer, seconds_ahead=ahead))
            request.status = ending.answer.status if ending.answer and ending.part == 1 else None
            request.error = ending.answer.error if ending.answer else None
            return ending
        finally:
            with self.lock:
                if generation is self.generation:
                    self.in_flight -= 1

    def _note(self, call: Call, connection: socket.socket) -> tuple[Request, list[Fault], object]:
        params = call.params()
        action = (
            params.pop("Action", "")
            or call.headers.get("x-amz-target", "").rpartition(".")[2]
            or f"{call.method} {call.target}"
        )
        params.pop("Version", None)
        with self.world.lock:
            user = self.world.user_of(call, params)
            account_id = self.world.account_of(call)
        with self.lock:
            self.numbered += 1
            self.in_flight += 1
            at = time.monotonic() - self.began
            request = Request(
                self.numbered, call.service, action, params, call.access_key, account_id, user, at, self.in_flight
            )
            with contextlib.suppress(OSError):  # gone already
                request.connection = connection.getpeername()[1]
            self.log.append(request)
            met = faults.firing(self.pending, request)
            request.fault = "+".join(f"{fault.kind} {fault.when}" for fault in met) or None
            return request, met, self.generation

    def _suffer(self, met: list[Fault], request: Request, connection: socket.socket) -> Ending | None:
        """Let faults happen; None where the request goes its way all the same."""
        for fault in met:
            if fault.kind == "delay":
                self.stopped.wait(fault.seconds)
            elif fault.kind == "pause":
                self._pause()
            elif fault.kind == "kill":
                faults.kill(fault, self.id)
                if fault.signal == signal.SIGKILL:
                    return Ending(None)
            elif fault.kind == "hang":
                self._hang(fault.seconds or HANG_SECONDS, connection)
                return Ending(None)
            elif fault.kind == "refuse":
                self.refuse_until = time.monotonic() + fault.seconds
                if fault.when == "before":
                    self.hang_up()
                    return Ending(None)
            elif fault.kind == "foreign":
                return Ending(faults.page_of(fault))
            elif fault.kind != "date":
                error = faults.error_of(fault)
                return Ending(error_answer(request.service, *error) if error else None)
        return None

    def _pause(self) -> None:
        with self.lock:
            generation = self.generation
            self.paused += 1
            self.gate.notify_all()
            self.gate.wait_for(lambda: self.releases > 0 or generation is not self.generation, HANG_SECONDS)
            if generation is self.generation:
                self.paused -= 1
                self.releases -= 1

    def _hang(self, seconds: float, connection: socket.socket) -> None:
        """Say nothing until the other side gives up."""
        generation = self.generation
        end = time.monotonic() + seconds
        while time.monotonic() < end and generation is self.generation:
            if select.select([connection], [], [], 0.1)[0]:
                return

    # -- operations

    def operate(self, name: str, arguments: dict[str, Any]) -> Any:
        """One operation of the control endpoint; ValueError, KeyError or TypeError for what it cannot do."""
        if name in self.OPERATIONS:
            return getattr(self, name)(**arguments)
        if name in self.WORLD_OPERATIONS:
            with self.world.lock:
                return getattr(self.world, name)(**arguments)
        raise ValueError(f"no such operation: {name}")

    def reset(self, **settings: Any) -> None:
        """An empty account, no faults, an empty log; requests that hang or pause end."""
        with self.lock:
            self._clear()
            self.gate.notify_all()
        with self.world.lock:
            self.world.reset(**settings)

    def fault(self, **fault: Any) -> None:
        checked = faults.check(Fault(**fault))
        with self.lock:
            self.pending.append(checked)

    def clear_faults(self) -> None:
        with self.lock:
            self.pending.clear()

    def faults(self) -> list[dict[str, Any]]:
        with self.lock:
            return [asdict(fault) for fault in self.pending]

    def requests(self) -> list[dict[str, Any]]:
        with self.lock:
            return [asdict(request) for request in self.log]

    def clear_requests(self) -> None:
        with self.lock:
            self.log.clear()

    def wait_paused(self, timeout: float = 30) -> bool:
        """Wait until a request is held by a `pause`; False when none came in time."""
        with self.lock:
            return self.gate.wait_for(lambda: self.paused > self.releases, timeout)

    def release(self, count: int = 1) -> None:
        """Let so many held requests go on."""
        with self.lock:
            self.releases += count
            self.gate.notify_all()

    def lab_id(self) -> str:
        return self.id


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections kept alive, as AWS has it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server  # type: ignore[assignment]
    seconds_ahead = 0.0

    def version_string(self) -> str:
        return "laboratory"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.server.world.http_date(self.seconds_ahead)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the request log is `requests`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/_lab/"):
            return self._control(self.path.removeprefix("/_lab/"), body)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        ending = self.server.aws(Call(self.command, self.path, headers, body), self.connection)
        if ending.answer is None:
            self._cut()
            return None
        if ending.last:
            # The port closes before the answer goes out: whatever the client does upon it finds nobody.
            self.server.hang_up(keep=self.connection)
            self.close_connection = True
        self.seconds_ahead = ending.answer.seconds_ahead
        self._write(
            ending.answer.status, ending.answer.body, ending.answer.content_type, ending.answer.request_id, ending.part
        )
        return None

    do_GET = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_POST

    def _control(self, name: str, body: bytes) -> None:
        try:
            result, status = self.server.operate(name, json.loads(body or b"{}")), 200
        except (ValueError, LookupError, TypeError, ServiceException) as error:
            result, status = {"error": f"{type(error).__name__}: {error}"}, 400
        self._write(status, json.dumps(result).encode(), "application/json")

    def _write(self, status: int, body: bytes, content_type: str, request_id: str = "", part: float = 1) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if request_id:
            self.send_header("x-amzn-RequestId", request_id)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: int(len(body) * part)])
        self.wfile.flush()
        if part < 1:
            self._cut()

    def _cut(self) -> None:
        cut(self.connection)
        self.close_connection = True


def cut(connection: socket.socket) -> None:
    """End a connection whatever is going on in it."""
    with_no_error(connection.shutdown, socket.SHUT_RDWR)


def with_no_error(function: Any, *arguments: Any) -> None:
    with contextlib.suppress(OSError):
        function(*arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description="An AWS account (IAM and STS) for tests, on a free loopback port.")
    parser.add_argument("--port-file", type=Path, help="write the URL into this file once the server listens")
    parser.add_argument(
        "--parent", type=int, default=os.getppid(), help="end when this process is no longer the parent"
    )
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="AWS's strictness (default), or moto's ways",
    )
    parser.add_argument(
        "--settings", type=json.loads, default={}, help="settings as a JSON object, see lab/messages.py"
    )
    arguments = parser.parse_args()
    server = Server(**{**({} if arguments.strict else LENIENT), **arguments.settings})
    url = server.start()
    if arguments.port_file:
        half = arguments.port_file.with_name(f".{arguments.port_file.name}.half")
        half.write_text(url)
        half.replace(arguments.port_file)
    print(url, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while os.getppid() == arguments.parent:
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    server.stop()


if __name__ == "__main__":
    main()
