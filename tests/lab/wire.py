# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS's query protocol: requests taken apart, signatures checked, errors put into words."""

from __future__ import annotations

import hmac
import io
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NAMESPACES = {"iam": "https://iam.amazonaws.com/doc/2010-05-08/", "sts": "https://sts.amazonaws.com/doc/2011-06-15/"}


class AwsError(Exception):
    """An answer in AWS's error form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Call:
    """One HTTP request, taken apart."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def scope(self) -> list[str]:
        """Of the Authorization header: key id, day, region, service, `aws4_request`; empty for a request that is not signed."""
        _before, found, rest = self.headers.get("authorization", "").partition("Credential=")
        scope = rest.partition(",")[0].strip().split("/")
        return scope if found and len(scope) == 5 else []

    @property
    def service(self) -> str:
        return self.scope[3] if self.scope else ""

    @property
    def region(self) -> str:
        return self.scope[2] if self.scope else "us-east-1"

    @property
    def access_key(self) -> str | None:
        return self.scope[0] if self.scope else None

    def params(self) -> dict[str, str]:
        text = self.body.decode("utf-8", "replace") if self.body else urlsplit(self.target).query
        return dict(parse_qsl(text, keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/xml"
    error: str | None = None
    seconds_ahead: float = 0
    """How far the Date header lies ahead of the laboratory's clock."""

    @property
    def request_id(self) -> str:
        """As the body has it; AWS repeats it in a header."""
        return (
            self.body.rpartition(b"<RequestId>")[2].partition(b"</RequestId>")[0].decode()
            if b"<RequestId>" in self.body
            else request_id()
        )


def rightly_signed(call: Call, secret_access_key: str) -> bool:
    """Whether the signature is what botocore's own signer makes of this request with this secret (SigV4)."""
    authorization = {}
    for part in call.headers["authorization"].partition(" ")[2].split(","):
        name, _equals, value = part.strip().partition("=")
        authorization[name] = value
    signed = authorization.get("SignedHeaders", "").split(";")
    stamp = call.headers.get("x-amz-date")
    if not stamp:
        return False
    headers = {name: call.headers[name] for name in signed if name in call.headers}
    request = AWSRequest(
        call.method, f"http://{call.headers.get('host', '')}{call.target}", headers=headers, data=call.body
    )
    request.context["timestamp"] = stamp
    auth = SigV4Auth(Credentials(call.access_key, secret_access_key), call.service, call.region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return hmac.compare_digest(expected, authorization.get("Signature", ""))


def error_answer(service: str, status: int, code: str, message: str) -> Answer:
    """An error as AWS's query protocol writes it."""
    blame = "Sender" if status < 500 else "Receiver"
    body = (
        f'<ErrorResponse xmlns="{NAMESPACES.get(service, NAMESPACES["iam"])}"><Error><Type>{blame}</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id()}</RequestId></ErrorResponse>"
    )
    return Answer(status, body.encode(), error=code)


def request_id() -> str:
    stamp = f"{time.time_ns():032x}"
    return "-".join((stamp[:8], stamp[8:12], stamp[12:16], stamp[16:20], stamp[20:]))


def wsgi_environ(call: Call) -> dict[str, Any]:
    path, _mark, query = call.target.partition("?")
    host, _colon, port = call.headers.get("host", "localhost:80").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": call.target,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(call.body)),
        "CONTENT_TYPE": call.headers.get("content-type", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in call.headers.items():
        if name not in ("content-type", "content-length"):
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def validate(params: dict[str, str]) -> None:
    """What AWS says of names that IAM cannot have; moto looks them up."""
    for name, pattern, allowed in (
        ("UserName", r"[\w+=,.@-]{1,128}", " and/or the following: +=,.@_-"),
        ("AccessKeyId", r"\w{16,128}", ""),
    ):
        if name in params and not re.fullmatch(pattern, params[name], re.ASCII):
            field = name[0].lower() + name[1:]
            raise AwsError(
                400,
                "ValidationError",
                f"The specified value for {field} is invalid. It must contain only alphanumeric characters{allowed}",
            )
