# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy between a client and the laboratory, plain or with CONNECT, that resets connections before or after AWS has done what it was asked.

It ends the tunnel's TLS itself, so that it knows which request goes through: AWS is wherever the client thinks it is.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from io import BufferedReader
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lab.server import with_no_error

# Nobody has this name: whoever asks for it asks the proxy.
HOST = "aws.laboratory.invalid"


@dataclass
class Reset:
    """The connection ends as this action comes by, before or after it was executed, so many times."""

    action: str
    when: str
    left: int = 1


class Proxy:
    """`url` is the proxy's; `with` makes it listen. `folder` keeps the certificate of what answers for HOST."""

    def __init__(self, laboratory: str, folder: Path) -> None:
        parts = urlsplit(laboratory)
        self.laboratory = (str(parts.hostname), int(parts.port or 80))
        self.certificate = folder / "proxy.pem"
        self.resets: list[Reset] = []
        self.last: str | None = None
        """After the answer to this action nobody listens here any more."""
        self.connections: set[socket.socket] = set()
        self.seen: list[tuple[str, str]] = []
        """Each request that came by: CONNECT or the plain way, and its action."""

    def __enter__(self) -> Self:
        self.certificate.write_bytes(_certificate())
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody listens, and what was open is cut."""
        for connection in list(self.connections):
            with_no_error(connection.shutdown, socket.SHUT_RDWR)
        # Wakes the thread that waits in accept(); close alone does not.
        with_no_error(self.listener.shutdown, socket.SHUT_RDWR)
        self.listener.close()

    def env(self, tunnel: bool) -> dict[str, str | None]:
        """What sends a client's requests through here, with CONNECT or in the plain."""
        if not tunnel:
            return {"HTTP_PROXY": self.url, "http_proxy": self.url, "NO_PROXY": None, "no_proxy": None}
        there = {"HTTPS_PROXY": self.url, "https_proxy": self.url, "NO_PROXY": None, "no_proxy": None}
        return {**there, "AWS_URL": f"https://{HOST}", "AWS_CA_BUNDLE": str(self.certificate)}

    def reset(self, action: str, when: str, times: int = 1) -> None:
        self.resets.append(Reset(action, when, times))

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        way, tunnelled = "plain", connection
        try:
            reader = connection.makefile("rb")
            line, headers = _head(reader)
            if line.startswith(b"CONNECT "):
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                way, tunnelled = "CONNECT", self.tls.wrap_socket(connection, server_side=True)
                reader = tunnelled.makefile("rb")
                line, headers = _head(reader)
            self.connections.add(tunnelled)
            while line and self._pass_on(way, tunnelled, reader, line, headers):
                line, headers = _head(reader)
        except OSError:
            pass
        finally:
            self.connections.discard(tunnelled)
            tunnelled.close()

    def _pass_on(
        self, way: str, connection: socket.socket, reader: Any, line: bytes, headers: list[tuple[bytes, bytes]]
    ) -> bool:
        """One request and its answer; False where the connection was reset over it."""
        length = next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
        body = reader.read(length)
        action = parse_qs(body.decode()).get("Action", [""])[0]
        self.seen.append((way, action))
        if self._resets(action, "before"):
            return _reset(connection)
        answer = self._asked(line, headers, body)
        if self._resets(action, "after"):
            return _reset(connection)
        connection.sendall(answer)
        if action == self.last:
            self.close()
            return False
        return True

    def _resets(self, action: str, when: str) -> bool:
        for reset in self.resets:
            if reset.action == action and reset.when == when and reset.left:
                reset.left -= 1
                return True
        return False

    def _asked(self, line: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        method, target, version = line.split()
        path = urlsplit(target.decode()).path or "/"
        kept = [(name, value) for name, value in headers if not name.lower().startswith(b"proxy-")]
        with socket.create_connection(self.laboratory) as there:
            lines = [b" ".join((method, path.encode(), version)), *(name + b": " + value for name, value in kept)]
            there.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            response = HTTPResponse(there)
            response.begin()
            content = response.read()
        head = "".join(f"{name}: {value}\r\n" for name, value in response.getheaders())
        return f"HTTP/1.1 {response.status} {response.reason}\r\n{head}\r\n".encode() + content


def _head(reader: BufferedReader) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The first line and the headers of the next request; nothing where the client has closed."""
    first = reader.readline().strip()
    headers = []
    while line := reader.readline().strip():
        name, _colon, value = line.partition(b":")
        headers.append((name, value.strip()))
    return first, headers


def _reset(connection: socket.socket) -> bool:
    """Ends the connection as a broken line would: the other side is told nothing but that it is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _certificate() -> bytes:
    """A certificate that vouches for itself, with its private key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)
