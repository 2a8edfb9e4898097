# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What IAM and STS are asked, and which of these requests may be sent again.

One table decides on repetition: reads, UpdateAccessKey and DeleteAccessKey say the same when said twice, so they
are repeated on throttling, 5xx answers and lost connections. CreateAccessKey makes a key each time it is executed,
so it is repeated only where the failure proves that nothing was executed. The boto3 client itself never repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from ._answers import Key, LastUsed, User
from ._errors import IamError, KeyturnError, UnknownOutcome
from ._time import from_iso

try:
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
        NoCredentialsError,
        NoRegionError,
        SSLError,
    )
    from botocore.parsers import ResponseParserError

    # All that a call of a boto3 client raises.
    SDK_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError, ResponseParserError)
except ImportError:  # amazon.aws says so before anything here is used
    BotoCoreError = ClientError = ConnectTimeoutError = EndpointConnectionError = HTTPClientError = SSLError = (
        ResponseParserError
    ) = Exception
    NoCredentialsError = NoRegionError = Exception
    SDK_ERRORS = (Exception,)
# The most that one answer of a listing may hold (API Reference, "MaxItems"); AWS may send fewer, so all pages are read.
PAGE = 1000
TRIES = 8
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


def proves_nothing_done(error: Exception) -> bool:
    """Whether a failed request was certainly not executed: it never reached AWS, or AWS refused it."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        return status < 500 and not _code(error).startswith("RequestTimeout")
    if isinstance(error, (HTTPClientError, SSLError, ResponseParserError)):
        return False  # the connection was there, so that the request may have been
    return isinstance(
        error, BotoCoreError
    )  # nothing was sent: nobody listened, no credentials, no region, a wrong parameter


def _code(error: Exception) -> str:
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""


class _Repeat(AWSRetry):
    """amazon.aws's retries, for IAM: its temporary errors, 5xx answers and lost connections too."""

    base_class = (ClientError, HTTPClientError, EndpointConnectionError, ConnectTimeoutError, ResponseParserError)

    @staticmethod
    def status_code_from_exception(error: Exception) -> Exception:
        return error

    @staticmethod
    def found(response_code: Any, catch_extra_error_codes: Any = None) -> bool:
        error = response_code
        if not isinstance(error, ClientError):
            return True
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or _code(error) in (*TRANSIENT, *BUSY)


class _RepeatUnexecuted(_Repeat):
    """For CreateAccessKey: only where the failure proves that nothing was executed."""

    @staticmethod
    def found(response_code: Any, catch_extra_error_codes: Any = None) -> bool:
        error = response_code
        return proves_nothing_done(error) and (not isinstance(error, ClientError) or _code(error) in THROTTLED)


class Iam:
    """IAM's side: five calls on access keys and the few reads around them, with AWS's clock.

    `client` is a boto3 IAM client that does not repeat requests by itself; `sts` gives the checker of new keys and
    `own_sts` an STS client with the run's own credentials. `tries` bounds how often a request is sent.
    """

    def __init__(self, client: Any, sts: Callable[[], Any], own_sts: Callable[[], Any], tries: int = TRIES) -> None:
        self.client = client
        self._sts, self._own_sts = sts, own_sts
        self._caller: dict[str, Any] | None = None
        self._date: str | None = None
        self._quota: tuple[bool, int | None] = (False, None)
        self._backoff = {"retries": tries, "delay": 0.2, "backoff": 2, "max_delay": 10}

    # -- the way of every request --------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time by AWS's clock: the Date header of its latest answer, in whole seconds."""
        if self._date is None:
            raise KeyturnError(
                "AWS's answer carried no Date header, so that the age of a key cannot be told; is a proxy removing it?"
            )
        return from_iso(parsedate_to_datetime(self._date))

    @property
    def knows_time(self) -> bool:
        return self._date is not None

    def noticed(self, response: Mapping[str, Any]) -> None:
        """Keeps the time that an answer (or an error's answer) carries."""
        self._date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date") or self._date

    def _send(self, operation: str, params: Mapping[str, Any], client: Any = None) -> dict[str, Any]:
        try:
            response: dict[str, Any] = getattr(client or self.client, operation)(**params)
        except ClientError as error:
            self.noticed(error.response)
            raise
        self.noticed(response)
        return response

    def _repeated(
        self, policy: type[AWSRetry], operation: str, params: Mapping[str, Any], client: Any = None
    ) -> dict[str, Any]:
        # A decorator of its own for each request: the delays of one that is shared start anew with each request of another thread.
        repeated: Callable[..., dict[str, Any]] = policy.jittered_backoff(**self._backoff)(self._send)
        return repeated(operation, params, client)

    def _ask(self, operation: str, to: str, client: Any = None, **params: Any) -> dict[str, Any]:
        """Sends a request that may be repeated; `to` says what for, in the words of an error message."""
        try:
            return self._repeated(_Repeat, operation, params, client)
        except SDK_ERRORS as error:
            raise _failed(to, error) from error

    def _pages(self, operation: str, member: str, to: str, **params: Any) -> Iterator[dict[str, Any]]:
        marker: dict[str, Any] = {}
        while True:
            page = self._ask(operation, to, MaxItems=PAGE, **marker, **params)
            yield from page[member]
            if not page.get("IsTruncated"):
                return
            marker = {"Marker": page["Marker"]}

    # -- reads ---------------------------------------------------------------------------------------------------

    def users(self, path_prefix: str | None = None) -> list[User]:
        prefix = {"PathPrefix": path_prefix} if path_prefix else {}
        return [User.of(user) for user in self._pages("list_users", "Users", "list the users", **prefix)]

    def user(self, user_name: str) -> User:
        return User.of(self._ask("get_user", f"read user {user_name}", UserName=user_name)["User"])

    def tags(self, user_name: str) -> dict[str, str]:
        pages = self._pages("list_user_tags", "Tags", f"list the tags of user {user_name}", UserName=user_name)
        return {tag["Key"]: tag["Value"] for tag in pages}

    def keys(self, user_name: str) -> list[Key]:
        """All access keys of the user, oldest first. Raises IamError, `missing` for a user that IAM does not have."""
        pages = self._pages(
            "list_access_keys", "AccessKeyMetadata", f"list the access keys of user {user_name}", UserName=user_name
        )
        return sorted((Key.of(key) for key in pages), key=lambda key: (key.create_date, key.access_key_id))

    def last_used(self, access_key_id: str) -> LastUsed:
        answer = self._ask(
            "get_access_key_last_used", f"read the last use of access key {access_key_id}", AccessKeyId=access_key_id
        )
        used = answer.get("AccessKeyLastUsed") or {}
        # A key that was never used has no date and "N/A" for the rest (API Reference, AccessKeyLastUsed).
        service, region = (
            None if used.get(name) in (None, "N/A") else used[name] for name in ("ServiceName", "Region")
        )
        date = from_iso(used["LastUsedDate"]) if used.get("LastUsedDate") else None
        return LastUsed(answer.get("UserName"), date, service if date else None, region if date else None)

    def summary(self) -> dict[str, int] | None:
        """The account's quotas and counts (GetAccountSummary), or None where that is denied."""
        try:
            summary: dict[str, int] = self._ask("get_account_summary", "read the account's quotas")["SummaryMap"]
        except IamError as error:
            if error.denied:
                return None
            raise
        return summary

    def quota(self) -> int | None:
        """AccessKeysPerUserQuota, asked once a connection; None where denied: then CreateAccessKey's answer decides."""
        if not self._quota[0]:
            self._quota = (True, (self.summary() or {}).get("AccessKeysPerUserQuota"))
        return self._quota[1]

    @property
    def signing_access_key_id(self) -> str | None:
        """The id of the key that signs this run's requests."""
        credentials = self.client._request_signer._credentials  # botocore has no public way to ask a client
        return credentials.get_frozen_credentials().access_key if credentials else None

    # -- writes --------------------------------------------------------------------------------------------------

    def create(self, user_name: str) -> tuple[Key, str]:
        """Makes a key: (key, secret). Raises IamError where nothing was done, UnknownOutcome where a key may exist."""
        to = f"make an access key for user {user_name}"
        try:
            key = self._repeated(_RepeatUnexecuted, "create_access_key", {"UserName": user_name})["AccessKey"]
        except ResponseParserError:
            # botocore's message quotes the answer, which has the secret
            raise UnknownOutcome(f"Could not {to}: its answer was cut short") from None
        except SDK_ERRORS as error:
            raise _failed(to, error, unknown=UnknownOutcome) from error
        return Key.of({"UserName": user_name, **key}), key["SecretAccessKey"]

    def set_status(self, user_name: str, access_key_id: str, active: bool) -> None:
        status = "Active" if active else "Inactive"
        to = f"set access key {access_key_id} of user {user_name} to {status}"
        self._ask("update_access_key", to, UserName=user_name, AccessKeyId=access_key_id, Status=status)

    def delete(self, user_name: str, access_key_id: str) -> bool:
        """Deletes a key. False where the user or the key is not there (any more): a repeated request finds its own work done."""
        to = f"delete access key {access_key_id} of user {user_name}"
        try:
            self._ask("delete_access_key", to, UserName=user_name, AccessKeyId=access_key_id)
        except IamError as error:
            if error.missing:
                return False
            raise
        return True

    # -- STS -----------------------------------------------------------------------------------------------------

    @property
    def sts(self) -> Any:
        """The checker of new keys (`_connection.StsCheck`), made on first use. Raises KeyturnError where that fails."""
        return self._sts()

    def prepare_sts(self) -> None:
        """Makes the checker of new keys before it is needed. Raises KeyturnError where that fails."""
        self._sts()

    @property
    def account_id(self) -> str:
        """The account of the run's own credentials."""
        return str(self._identity["Account"])

    @property
    def partition(self) -> str:
        """The partition of the run's own credentials."""
        return str(self._identity["Arn"].split(":")[1])

    @property
    def _identity(self) -> dict[str, Any]:
        """GetCallerIdentity, which needs no permission, asked once a connection."""
        if self._caller is None:
            self._caller = self._ask(
                "get_caller_identity", "read the account of these credentials", client=self._own_sts()
            )
        return self._caller


def _failed(to: str, error: Exception, unknown: type[IamError] = IamError) -> IamError:
    """The error of a request, with the way out where the cause is one that people meet."""
    message = f"Could not {to}"
    if isinstance(error, ClientError):  # botocore counts its own repetitions only, and is told to make none
        error.args = (str(error).replace(" (reached max retries: 0)", ""),)
    if isinstance(error, NoCredentialsError):
        message += ": no AWS credentials were found; set access_key and secret_key, profile, or AWS_* variables"
    elif isinstance(error, NoRegionError):
        message += ": no AWS region was found; set region, AWS_REGION, or a profile with one"
    nothing_done = proves_nothing_done(error)
    failure = (IamError if nothing_done else unknown)(message, error)
    failure.proves_nothing_done = nothing_done
    return failure
