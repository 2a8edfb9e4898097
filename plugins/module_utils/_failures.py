# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failed request proves, whether it may be sent again, and in which words it is told.

A request may have been executed unless its failure is on a short list: AWS itself refused it, no connection came
about, or it was never sent. In doubt it may have been. An error is told in one line and without what came over the
wire: botocore quotes answers, headers and the output of programs, and any of them may hold a secret.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from ._errors import IamError

try:
    from botocore import exceptions as sdk
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
    from botocore.parsers import ResponseParserError
    from urllib3 import exceptions as http
except ImportError:  # amazon.aws says so before anything here is used
    sdk = http = None  # type: ignore[assignment]
    BotoCoreError = ClientError = HTTPClientError = SSLError = ResponseParserError = Exception


class SdkError(Exception):
    """An error of boto3 or botocore in our own words, since its own may hold a secret or fill more than a line."""


class ForeignAnswer(SdkError):
    """An answer, mostly with status 200, that AWS did not give, or half of one that it gave."""

    def __init__(self) -> None:
        super().__init__("what answered was not AWS, or half of its answer is missing; is a proxy or a portal between?")


def _known(*names: str, among: Any = sdk) -> tuple[type[Exception], ...]:
    """Those of botocore's (or urllib3's) exceptions that this version of it has."""
    return tuple(getattr(among, name) for name in names if hasattr(among, name))


# All that a call of a boto3 client raises, once `Iam` or `StsCheck` has sent it.
SDK_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError, ResponseParserError, SdkError)
# The request was not sent: there was nothing to sign it with, nowhere to send it, or it made no sense.
NEVER_SENT = _known(
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "RefreshWithMFAUnsupportedError"),
    *("TokenRetrievalError", "NoAuthTokenError", "SSOError", "LoginError", "MetadataRetrievalError"),
    *("ProfileNotFound", "ConfigParseError", "ConfigNotFound", "InvalidConfigError"),
    *("BaseEndpointResolverError", "InvalidRegionError", "EndpointProviderError", "ParamValidationError"),
)
NEVER_CONNECTED = _known("EndpointConnectionError", "ConnectTimeoutError")
BEHIND_A_PROXY = _known("ProxyConnectionError")
NO_CREDENTIALS, NO_REGION = _known("NoCredentialsError"), _known("NoRegionError")
NO_CONNECTION = (*_known("NewConnectionError", "ConnectTimeoutError", among=http), socket.gaierror)
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and botocore's own list of throttling codes
THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "SlowDown",
)
TRANSIENT = (
    *THROTTLED,
    "ServiceFailure",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalError",
    "Unavailable",
    "RequestTimeout",
)
# Another change of the same user is under way (UpdateAccessKey and DeleteAccessKey, API Reference, "Errors").
BUSY = ("ConcurrentModification", "EntityTemporarilyUnmodifiable")


# -- what a failure proves -------------------------------------------------------------------------------------------


def proves_nothing_done(error: Exception) -> bool:
    """Whether a failed request was certainly not executed."""
    if isinstance(error, ClientError):
        return 400 <= _status(error) < 500 and _is_aws_own(error) and not code_of(error).startswith("RequestTimeout")
    return isinstance(error, NEVER_SENT) or _never_connected(error)


def is_throttle(error: Any) -> bool:
    """Whether AWS asked for patience."""
    return code_of(error) in THROTTLED


def code_of(error: BaseException | None) -> str:
    """AWS's error code, or nothing where no answer of AWS's came."""
    code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
    return str(code or "")


def _status(error: Exception) -> int:
    response: dict[str, Any] = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))


def _is_aws_own(error: Exception) -> bool:
    """Whether AWS refused the request. A proxy's page has no code; botocore makes one of its status."""
    code = code_of(error)
    return bool(code) and not code.isdigit()


def _never_connected(error: Exception) -> bool:
    """Whether no connection came about, to the endpoint or to a proxy on the way to it.

    What urllib3 calls a failure of the proxy may be a connection that was there and was reset later.
    """
    if not isinstance(error, (*NEVER_CONNECTED, *BEHIND_A_PROXY)):
        return False
    cause = getattr(error, "kwargs", {}).get("error")
    if cause is None:
        return isinstance(error, NEVER_CONNECTED)
    return isinstance(getattr(cause, "original_error", cause), NO_CONNECTION)


# -- what is sent again ----------------------------------------------------------------------------------------------


class Repeat(AWSRetry):
    """amazon.aws's retries, for IAM: its temporary errors, 5xx answers and lost connections too."""

    base_class = (ClientError, HTTPClientError, ResponseParserError, SSLError, *NEVER_CONNECTED, *BEHIND_A_PROXY)

    @staticmethod
    def status_code_from_exception(error: Exception) -> Exception:
        return error

    @staticmethod
    def found(response_code: Any, catch_extra_error_codes: Any = None) -> bool:
        error = response_code
        if isinstance(error, ClientError):
            return _status(error) >= 500 or code_of(error) in (*TRANSIENT, *BUSY)
        # A certificate that is not trusted and a header that cannot be sent are so the next time, too.
        return "CERTIFICATE_VERIFY" not in str(error) and not _cannot_be_sent(error)


class RepeatUnexecuted(Repeat):
    """For CreateAccessKey: only where the failure proves that nothing was executed."""

    @staticmethod
    def found(response_code: Any, catch_extra_error_codes: Any = None) -> bool:
        error = response_code
        return proves_nothing_done(error) and (not isinstance(error, ClientError) or code_of(error) in THROTTLED)


def _cannot_be_sent(error: Exception) -> bool:
    """Whether http.client refused a header's value."""
    cause = getattr(error, "kwargs", {}).get("error")
    return isinstance(error, HTTPClientError) and isinstance(cause, (ValueError, TypeError))


# -- in which words it is told ---------------------------------------------------------------------------------------


def request_error(to: str, error: Exception, unknown: type[IamError] = IamError) -> IamError:
    """The error of a request, with the way out where the cause is one that people meet; `unknown` where it may have
    been executed.
    """
    message = f"Could not {to}"
    if isinstance(error, NO_CREDENTIALS):
        message += ": no AWS credentials were found; set access_key and secret_key, profile, or AWS_* variables"
    elif isinstance(error, NO_REGION):
        message += ": no AWS region was found; set region, AWS_REGION, or a profile with one"
    nothing_done = proves_nothing_done(error)
    failure = (IamError if nothing_done else unknown)(message, in_own_words(error))
    failure.proves_nothing_done = nothing_done
    return failure


def in_own_words(error: Exception) -> Exception:
    """The error as it may be shown: the same one where it is AWS's, its text in one line; else one with our words."""
    if isinstance(error, SdkError):
        return error
    response = getattr(error, "response", None)
    if response is None:
        return SdkError(_words(error))
    # botocore counts its own repetitions only, and is told to make none.
    error.args = (_one_line(str(error)).replace(" (reached max retries: 0)", ""),)
    answer = response.get("Error", {})
    if answer.get("Message"):
        answer["Message"] = _one_line(str(answer["Message"]))
    return error


def _words(error: Exception) -> str:
    text = _one_line(str(error))
    if isinstance(error, ResponseParserError):
        return "its answer was cut short, or is not one of AWS's"
    if _cannot_be_sent(error):
        return (
            "a value with a line break cannot be sent; look for one in credentials, region, endpoint_url and aws_config"
        )
    if text.startswith("Error when retrieving credentials from custom-process"):
        return "its credential_process failed or printed no credentials; run it by hand to see why"
    if isinstance(error, BotoCoreError) or type(error).__module__ == "builtins":
        return text
    return type(error).__name__


def _one_line(text: str) -> str:
    """The text in one line, without what AWS computed of the request.

    That has the request's headers, a session token among them.
    """
    return " ".join(text.partition("The Canonical String")[0].split())


@contextmanager
def reading(to: str, unknown: type[IamError] = IamError) -> Iterator[None]:
    """Takes an answer apart: what is missing, or no such thing, is an error and never an empty answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        failure = request_error(to, ForeignAnswer(), unknown)
        raise failure from None


def call_error(error: Exception) -> SdkError:
    """What a call of a client raised that is none of botocore's errors: its parsers stumble over answers that are not
    AWS's.
    """
    frame = error.__traceback__
    while frame:
        if frame.tb_frame.f_globals.get("__name__") == "botocore.parsers":
            return ForeignAnswer()
        frame = frame.tb_next
    return SdkError(_words(error))
