# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What IAM and STS are asked, and which of these requests may be sent again.

Reads, UpdateAccessKey and DeleteAccessKey say the same when said twice, so they are repeated on throttling, 5xx answers
and lost connections. CreateAccessKey makes a key each time it is executed, so it is repeated only where the failure
proves that nothing was executed (`_failures`). The boto3 client itself never repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from ._answers import Key, LastUsed, User, identity_of
from ._clock import Clock
from ._errors import IamError, KeyturnError, UnknownOutcome
from ._failures import (
    SDK_ERRORS,
    ForeignAnswer,
    Repeat,
    RepeatUnexecuted,
    call_error,
    code_of,
    reading,
    request_error,
)
from ._pace import Pace

# The most that one answer of a listing may hold (API Reference, "MaxItems"); AWS may send fewer, so all pages are read.
PAGE = 1000
# How often a request is sent at most, and the longest pause between (seconds): by one task; and by many who share a
# connection, and whose pace its throttles set.
TRIES, LONGEST_PAUSE = 8, 10.0
TRIES_TOGETHER, LONGEST_PAUSE_TOGETHER = 16, 4.0
# AWS attaches AWSCompromisedKeyQuarantine, …V2, …V3 or a later one to a user whose key it found in public.
QUARANTINE = "AWSCompromisedKeyQuarantine"
# For so long (seconds) IAM is asked again where two of its answers about one user contradict each other: replicas lag.
CONTRADICTION_SECONDS = 8.0
CONTRADICTION_PAUSE = 1.0

Answer = TypeVar("Answer")


class Iam:
    """IAM's side: five calls on access keys and the few reads around them, with AWS's clock.

    `client` is a boto3 IAM client that does not repeat requests by itself; `sts` gives the checker of new keys and
    `own_sts` an STS client with the run's own credentials. `tries` bounds how often a request is sent, `longest_pause`
    (seconds) is the most that lies between, `pace` has the turns of all requests. Threads may share it.
    """

    def __init__(
        self,
        client: Any,
        sts: Callable[[], Any],
        own_sts: Callable[[], Any],
        tries: int = TRIES,
        longest_pause: float = LONGEST_PAUSE,
        pace: Pace | None = None,
    ) -> None:
        self.client = client
        self.pace = pace or Pace(1)
        self._sts, self._own_sts = sts, own_sts
        self._caller: tuple[str, str] | None = None
        # What is asked, or made, once a connection.
        self._asking_sts, self._asking_quota, self._making_sts = Lock(), Lock(), Lock()
        self._clock = Clock()
        self._listed: set[str] = set()
        self._quota: tuple[bool, int | None] = (False, None)
        self._backoff = {"retries": tries, "delay": 0.2, "backoff": 2, "max_delay": longest_pause}

    # -- the way of every request --------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time by AWS's clock: the Date header of its latest answer, in whole seconds. Raises KeyturnError."""
        return self._clock.now

    @property
    def knows_time(self) -> bool:
        return self._clock.known

    def noticed(self, response: Mapping[str, Any]) -> None:
        """Keeps the time that an answer (or an error's answer) carries."""
        self._clock.hear(response)

    def _send(self, operation: str, params: Mapping[str, Any], client: Any = None) -> dict[str, Any]:
        self._clock.refuse_jump()
        try:
            with self.pace.turn():
                response: dict[str, Any] = getattr(client or self.client, operation)(**params)
        except SDK_ERRORS as error:
            self.noticed(getattr(error, "response", None) or {})
            raise
        except Exception as error:
            raise call_error(error) from None
        self.noticed(response)
        return response

    def _repeated(
        self, policy: type[AWSRetry], operation: str, params: Mapping[str, Any], client: Any = None
    ) -> dict[str, Any]:
        # A decorator of its own for each request: the delays of one that is shared start anew with each request of
        # another thread.
        repeated: Callable[..., dict[str, Any]] = policy.jittered_backoff(**self._backoff)(self._send)
        return repeated(operation, params, client)

    def _ask(self, operation: str, to: str, client: Any = None, **params: Any) -> dict[str, Any]:
        """Sends a request that may be repeated; `to` says what for, in the words of an error message."""
        try:
            return self._repeated(Repeat, operation, params, client)
        except SDK_ERRORS as error:
            failure = request_error(to, error)
        raise failure

    def _pages(self, operation: str, member: str, to: str, **params: Any) -> Iterator[dict[str, Any]]:
        marker: dict[str, Any] = {}
        while True:
            page = self._ask(operation, to, MaxItems=PAGE, **marker, **params)
            with reading(to):
                # Both are there in each answer of AWS's: what lacks them is no empty list. moto's server leaves the
                # second one out of a list that it gives as a whole, to its end, where the request's id stands.
                items = list(page[member])
                more = page.get("IsTruncated", False) if _has_request_id(page) else page["IsTruncated"]
                following = {"Marker": page["Marker"]} if more else marker
                if more and following == marker:
                    raise ValueError("the same page for ever")
            yield from items
            if not more:
                return
            marker = following

    # -- reads ---------------------------------------------------------------------------------------------------

    def users(self, path_prefix: str | None = None) -> list[User]:
        prefix, to = {"PathPrefix": path_prefix} if path_prefix else {}, "list the users"
        pages = list(self._pages("list_users", "Users", to, **prefix))
        with reading(to):
            return [User.of(user) for user in pages]

    def user(self, user_name: str) -> User:
        """Raises IamError, `missing` for a user that IAM does not have."""
        try:
            return self._user(user_name)
        except IamError as error:
            if not error.missing or user_name not in self._listed:
                raise
        self._listed.discard(user_name)  # this connection listed the user's keys: they were there then
        return self._until_iam_agrees(lambda: self._user(user_name))

    def _user(self, user_name: str) -> User:
        to = f"read user {user_name}"
        answer = self._ask("get_user", to, UserName=user_name)
        with reading(to):
            return User.of(answer["User"])

    def tags(self, user_name: str) -> dict[str, str]:
        to = f"list the tags of user {user_name}"
        pages = list(self._pages("list_user_tags", "Tags", to, UserName=user_name))
        with reading(to):
            return {tag["Key"]: tag["Value"] for tag in pages}

    def keys(self, user_name: str) -> list[Key]:
        """All access keys of the user, oldest first. Raises IamError, `missing` for a user that IAM does not have."""
        try:
            keys = self._keys(user_name)
        except IamError as error:
            self._listed.discard(user_name)
            if not error.missing or not self._knows(user_name):
                raise
            keys = self._until_iam_agrees(lambda: self._keys(user_name))
        self._listed.add(user_name)
        return keys

    def _keys(self, user_name: str) -> list[Key]:
        to = f"list the access keys of user {user_name}"
        pages = list(self._pages("list_access_keys", "AccessKeyMetadata", to, UserName=user_name))
        with reading(to):
            return sorted((Key.of(key) for key in pages), key=lambda key: (key.create_date, key.access_key_id))

    def _knows(self, user_name: str) -> bool:
        """Whether GetUser knows the user of whom the list of keys does not; that it may not be asked says nothing."""
        try:
            self._user(user_name)
        except IamError as error:
            if error.missing or error.denied:
                return False
            raise
        return True

    def _until_iam_agrees(self, ask: Callable[[], Answer]) -> Answer:
        """Asks again for a few seconds where IAM has said of one user that it is there and that it is not."""
        end = time.monotonic() + CONTRADICTION_SECONDS
        while True:
            time.sleep(CONTRADICTION_PAUSE)
            try:
                return ask()
            except IamError as error:
                if not error.missing or time.monotonic() >= end:
                    raise

    def last_used(self, access_key_id: str) -> LastUsed:
        to = f"read the last use of access key {access_key_id}"
        answer = self._ask("get_access_key_last_used", to, AccessKeyId=access_key_id)
        with reading(to):
            return LastUsed.of(answer)

    def summary(self) -> dict[str, int] | None:
        """The account's quotas and counts (GetAccountSummary), or None where that is denied."""
        to = "read the account's quotas"
        try:
            answer = self._ask("get_account_summary", to)
        except IamError as error:
            if error.denied:
                return None
            raise
        with reading(to):
            return dict(answer["SummaryMap"])

    def quarantine_policies(self) -> dict[str, str]:
        """The names and ARNs of those of AWS's policies that are attached to somebody because a key leaked."""
        to = "list the policies of AWS that are attached"
        pages = list(self._pages("list_policies", "Policies", to, Scope="AWS", OnlyAttached=True))
        with reading(to):
            named = {policy["PolicyName"]: policy["Arn"] for policy in pages}
        return {name: named[name] for name in sorted(named) if name.startswith(QUARANTINE)}

    def users_with_policy(self, policy_arn: str) -> list[str]:
        """The names of the users to whom a policy is attached."""
        to = f"list the users with policy {policy_arn}"
        pages = self._pages("list_entities_for_policy", "PolicyUsers", to, PolicyArn=policy_arn, EntityFilter="User")
        users = list(pages)
        with reading(to):
            return [str(user["UserName"]) for user in users]

    def quota(self) -> int | None:
        """AccessKeysPerUserQuota, asked once a connection; None where denied: then CreateAccessKey's answer decides."""
        with self._asking_quota:
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
            answer = self._repeated(RepeatUnexecuted, "create_access_key", {"UserName": user_name})
        except SDK_ERRORS as error:
            failure = request_error(to, error, UnknownOutcome)
        except KeyturnError as error:  # the time has jumped: it was not sent (again)
            failure = IamError(error.message)
            failure.proves_nothing_done = True
        else:
            with reading(to, UnknownOutcome):
                return Key.made(user_name, answer["AccessKey"])
        raise failure  # out of reach of the SDK's own error: that may quote the answer, which has the secret

    def set_status(self, user_name: str, access_key_id: str, active: bool) -> None:
        status = "Active" if active else "Inactive"
        to = f"set access key {access_key_id} of user {user_name} to {status}"
        answer = self._ask("update_access_key", to, UserName=user_name, AccessKeyId=access_key_id, Status=status)
        _refuse_foreign(to, answer)

    def delete(self, user_name: str, access_key_id: str) -> bool:
        """Deletes a key.

        False where the user or the key is not there (any more): a repeated request finds its own work done.
        """
        to = f"delete access key {access_key_id} of user {user_name}"
        try:
            answer = self._ask("delete_access_key", to, UserName=user_name, AccessKeyId=access_key_id)
        except IamError as error:
            if error.missing:
                return False
            raise
        _refuse_foreign(to, answer)
        return True

    # -- STS -----------------------------------------------------------------------------------------------------

    @property
    def sts(self) -> Any:
        """The checker of new keys (`_connection.StsCheck`), made on first use. Raises KeyturnError where that fails."""
        with self._making_sts:
            return self._sts()

    def prepare_sts(self) -> None:
        """Makes the checker of new keys before it is needed, and sees that STS answers where it will ask.

        Raises KeyturnError.
        """
        _checker = self.sts
        try:
            self._identity()
        except IamError as error:
            raise _no_sts_error(self._own_sts(), error) from error

    @property
    def account_id(self) -> str:
        """The account of the run's own credentials."""
        return self._identity()[0]

    @property
    def partition(self) -> str:
        """The partition of the run's own credentials."""
        return self._identity()[1].split(":")[1]

    def _identity(self) -> tuple[str, str]:
        """Account and ARN by GetCallerIdentity, which needs no permission, asked once a connection."""
        to = "read the account of these credentials"
        with self._asking_sts:
            if self._caller is None:
                answer = self._ask("get_caller_identity", to, client=self._own_sts())
                with reading(to):
                    self._caller = identity_of(answer)
            return self._caller


def _refuse_foreign(to: str, answer: Mapping[str, Any]) -> None:
    """A write that returns nothing is acknowledged by its request id: a stranger's page has none. Raises IamError."""
    if not _has_request_id(answer):
        raise request_error(to, ForeignAnswer())


def _has_request_id(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("ResponseMetadata", {}).get("RequestId"))


def _no_sts_error(client: Any, error: IamError) -> KeyturnError:
    region = client.meta.region_name
    said = (
        f"STS in region {region} does not accept this run's own credentials, "
        "and would accept no new key, so that none is made"
    )
    if code_of(error.exception) == "RegionDisabledException":
        return KeyturnError(
            f"{said}: activate STS there (IAM console, Account settings), or set region to one where it is",
            error.exception,
        )
    return KeyturnError(f"{said}: set region (or endpoint_url) to where STS answers", error.exception)


def owner_of(iam: Iam, access_key_id: str, way_out: str = "") -> str:
    """The name of the user whose key it is. Raises KeyturnError, with the way out, where there is none."""
    try:
        owner = iam.last_used(access_key_id).user_name
    except IamError as error:
        if not (error.missing or error.denied):
            raise
        # AWS denies the request for a key that does not exist, too
        said = f"No user of this account could be found for access key {access_key_id}{way_out}"
        raise KeyturnError(said, error.exception) from error
    if not owner:
        raise KeyturnError(f"Access key {access_key_id} belongs to no IAM user (to the root user, perhaps)")
    return owner
