# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failed request proves, which may be sent again, and that its sentence holds neither a line break nor a secret."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils import _failures
from ansible_collections.keyturn.iam.plugins.module_utils._connection import sts_endpoint
from ansible_collections.keyturn.iam.plugins.module_utils._errors import IamError, UnknownOutcome
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3 import exceptions as http

URL = "https://iam.amazonaws.com/"


def answered(code: str | None, status: int, message: str = "no") -> sdk.ClientError:
    error = {"Code": code, "Message": message} if code else {}
    return sdk.ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateAccessKey")


def refused(kind: type[Exception] = http.NewConnectionError) -> Any:
    if kind is http.ConnectTimeoutError:
        return kind(None, "timed out")
    return kind(None, "Connection refused")  # type: ignore[call-arg]


def proxy(cause: Exception) -> Exception:
    """What botocore makes of urllib3's ProxyError: 1.26 says so of all that happens behind a proxy, 2 of most of it."""
    return sdk.ProxyConnectionError(proxy_url="http://proxy", error=http.ProxyError("Cannot connect to proxy.", cause))


NOTHING_DONE = {
    "throttled": answered("Throttling", 400),
    "denied": answered("AccessDenied", 403),
    "quota": answered("LimitExceeded", 409),
    "nobody listens": sdk.EndpointConnectionError(endpoint_url=URL, error=refused()),
    "no such name": sdk.EndpointConnectionError(endpoint_url=URL, error=socket.gaierror(-2, "unknown")),
    "connecting takes too long": sdk.ConnectTimeoutError(endpoint_url=URL, error=refused(http.ConnectTimeoutError)),
    "no proxy listens": proxy(refused()),
    "connecting to the proxy takes too long": proxy(refused(http.ConnectTimeoutError)),
    "no credentials": sdk.NoCredentialsError(),
    "half of the credentials": sdk.PartialCredentialsError(provider="env", cred_var="secret"),
    "a credential process": sdk.CredentialRetrievalError(provider="custom-process", error_msg="no"),
    "an expired session": sdk.UnauthorizedSSOTokenError(),
    "no region": sdk.NoRegionError(),
    "a parameter": sdk.ParamValidationError(report="no"),
}
UNKNOWN = {
    "an error of the server": answered("ServiceFailure", 500),
    "throttled with 5xx": answered("RequestLimitExceeded", 503),
    "a request that AWS waited for": answered("RequestTimeout", 400),
    "a proxy's page": answered(None, 403),
    "a proxy's page, taken for an error": answered("502", 502),
    "a proxy's page with a status for a code": answered("403", 403),
    "a redirection": answered("Moved", 302),
    "reset behind a proxy": proxy(ConnectionResetError(104, "reset")),
    "closed behind a proxy": proxy(http.ProtocolError("Remote end closed connection")),
    "a tunnel that the proxy refuses": proxy(OSError("Tunnel connection failed: 502")),
    "a proxy, nothing more is known": sdk.ProxyConnectionError(proxy_url="http://proxy"),
    "closed": sdk.ConnectionClosedError(endpoint_url=URL),
    "read too long": sdk.ReadTimeoutError(endpoint_url=URL),
    "anything of the client's": sdk.HTTPClientError(error=RuntimeError("no")),
    "TLS": sdk.SSLError(endpoint_url=URL, error="EOF"),
    "an answer cut short": ResponseParserError("no element found"),
    "an answer of somebody else": _failures.ForeignAnswer(),
    "an error of botocore's that nobody knows": sdk.BotoCoreError(),
    "an answer with another checksum": sdk.ChecksumError(
        checksum_type="crc", expected_checksum="a", actual_checksum="b"
    ),
}


@pytest.mark.parametrize("name", NOTHING_DONE)
def test_what_proves_that_nothing_was_done(name: str) -> None:
    error = _failures.request_error("make a key", NOTHING_DONE[name], UnknownOutcome)
    assert error.proves_nothing_done and not isinstance(error, UnknownOutcome)


@pytest.mark.parametrize("name", UNKNOWN)
def test_all_else_proves_nothing(name: str) -> None:
    error = _failures.request_error("make a key", UNKNOWN[name], UnknownOutcome)
    assert not error.proves_nothing_done and isinstance(error, UnknownOutcome)
    assert not _failures.RepeatUnexecuted.found(UNKNOWN[name])


def test_what_is_sent_again() -> None:
    """A request that creates, only where it was throttled or never sent; what says the same twice, wherever a line broke too."""
    again = {name for name, error in NOTHING_DONE.items() if _failures.RepeatUnexecuted.found(error)}
    assert {"throttled", "nobody listens", "no proxy listens"} <= again and not {"denied", "quota"} & again
    for name in ("reset behind a proxy", "closed", "read too long", "TLS", "an answer cut short", "throttled with 5xx"):
        assert isinstance(UNKNOWN[name], _failures.Repeat.base_class) and _failures.Repeat.found(UNKNOWN[name])
    for error in (
        sdk.SSLError(endpoint_url=URL, error="[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"),
        sdk.HTTPClientError(error=ValueError("Invalid header value b'a\\n'")),
        NOTHING_DONE["denied"],
    ):
        assert not _failures.Repeat.found(error)


SECRET = "the/secret/that/nobody/sees"
SIGNED = f"The signature does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:{SECRET}'"


@pytest.mark.parametrize(
    "error",
    [
        answered("SignatureDoesNotMatch", 403, SIGNED),
        ResponseParserError(f"invalid XML received:\n<SecretAccessKey>{SECRET}</SecretAccessKey>"),
        sdk.HTTPClientError(error=ValueError(f"Invalid header value b'{SECRET}\\n'")),
        sdk.CredentialRetrievalError(provider="custom-process", error_msg=f"{{\n 'SecretAccessKey': '{SECRET}'}}"),
        sdk.ParamValidationError(report="Invalid length\nfor parameter UserName"),
        _failures.call_error(KeyError("ListAccessKeysResult")),
    ],
)
def test_one_line_and_no_secret(error: Exception) -> None:
    told: IamError = _failures.request_error("do it", error)
    for text in (str(told), told.sentence, repr(getattr(told.exception, "response", ""))):
        assert "\n" not in text and "\\n" not in text and SECRET not in text


@pytest.mark.parametrize(
    "host",
    [
        "iam.amazonaws.com",
        "iam.us-gov.amazonaws.com",
        "IAM.amazonaws.com.",
        "iam.global.api.aws",
        "iam.cn-north-1.amazonaws.com.cn",
        "iam.global.api.amazonwebservices.com.cn",
        "iam.eusc-de-east-1.amazonaws.eu",
        "iam.eusc-de-east-1.api.amazonwebservices.eu",
        "iam.us-iso-east-1.c2s.ic.gov",
        "iam.us-isob-east-1.sc2s.sgov.gov",
        "iam.eu-isoe-west-1.cloud.adc-e.uk",
        "iam.us-isof-south-1.csp.hci.ic.gov",
    ],
)
def test_an_endpoint_of_aws_for_iam_is_not_asked_for_sts(host: str) -> None:
    """botocore's partitions decide whose it is."""
    assert sts_endpoint(f"https://{host}") is None


@pytest.mark.parametrize("host", ["127.0.0.1:4566", "iam.amazonaws.com.example.org", "myamazonaws.com", "gateway"])
def test_any_other_is(host: str) -> None:
    assert sts_endpoint(f"https://{host}") == f"https://{host}"
