# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From amazon.aws's common options to IAM and STS.

Of `module`, an AnsibleAWSModule or the like, only `params` and `_name` are touched, here or in amazon.aws's
`get_aws_connection_info` and `boto3_conn`. Whatever goes wrong is a KeyturnError in one sentence.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ansible_collections.amazon.aws.plugins.module_utils.botocore import boto3_conn, get_aws_connection_info

from ._credentials import without_foreign_credentials
from ._errors import KeyturnError
from ._failures import SDK_ERRORS, ForeignAnswer, call_error, in_own_words
from ._iam import LONGEST_PAUSE, LONGEST_PAUSE_TOGETHER, TRIES, TRIES_TOGETHER, Iam
from ._models import loader, read_early, read_once
from ._pace import Pace
from ._time import from_iso

try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import DataNotFoundError
    from botocore.utils import parse_timestamp
except ImportError:  # amazon.aws says so before anything here is used
    pass


class _Options:
    """A module as amazon.aws's helpers see it: its options and its name, and a failure that is an exception."""

    def __init__(self, module: Any) -> None:
        self.params: dict[str, Any] = module.params
        self._name: str = module._name

    def fail_json(self, msg: str, **_fields: Any) -> NoReturn:
        raise KeyturnError(" ".join(msg.split()))

    def fail_json_aws(self, exception: Exception, msg: str) -> NoReturn:
        raise KeyturnError(msg, in_own_words(exception))


@contextmanager
def _connecting(to: str = "AWS") -> Iterator[None]:
    """Whatever boto3, botocore and a person's profiles raise is told in one sentence. Raises KeyturnError."""
    try:
        yield
        return
    except KeyturnError as error:
        failure = error
    except Exception as error:
        failure = KeyturnError(f"Couldn't connect to {to}", in_own_words(error))
    # Away from the error's own traceback, which quotes lines of configuration files.
    raise failure.with_traceback(None) from None


def connect(module: Any, pool: int | None = None) -> Iam:
    """IAM by the module's connection options; up to `pool` requests at a time, for one task alone where it is left out.
    Raises KeyturnError.

    The client is told to send each request once, whatever `aws_config` says of retries: what may be repeated
    is decided in `Iam`, which takes the number of attempts over.
    """
    module.params.update(without_foreign_credentials(module.params))
    with _connecting(), read_once():
        return _connect(_Options(module), pool)


def _connect(options: _Options, pool: int | None) -> Iam:
    region, endpoint, params = _connection_info(options)
    wanted = params.pop("aws_config", None)
    retries: dict[str, Any] = (getattr(wanted, "retries", None) or {}) if wanted else {}
    tries, longest_pause = (TRIES_TOGETHER, LONGEST_PAUSE_TOGETHER) if pool else (TRIES, LONGEST_PAUSE)
    tries = int(retries.get("total_max_attempts") or retries.get("max_attempts", tries - 1) + 1)
    pace = Pace(pool or 1)
    config = Config(max_pool_connections=max(pace.at_once, 10))
    if wanted:
        config = config.merge(wanted)
    config = config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"}))

    def client(service: str, url: str | None) -> Any:
        return boto3_conn(
            options, conn_type="client", resource=service, region=region, endpoint=url, config=config, **params
        )

    iam = client("iam", endpoint)
    _read_dates_fast(iam)
    profile = params.get("profile_name")
    _refuse_bad_credentials(iam, profile)

    @cache
    def own_sts() -> Any:
        with _connecting("STS"), read_once():
            return client("sts", sts_endpoint(endpoint))

    @cache
    def sts() -> StsCheck:
        with _connecting("STS, which has to accept a new key before it is made current"), read_once():
            return StsCheck(region, endpoint, profile, params.get("verify"), config, pace)

    return Iam(iam, sts, own_sts, max(tries, 1), longest_pause, pace)


def _connection_info(options: _Options) -> tuple[str | None, str | None, dict[str, Any]]:
    """Region, endpoint and what a client is made with.

    Raises KeyturnError for an `aws_config` that botocore does not take.
    """
    try:
        region, endpoint, params = get_aws_connection_info(options)
    except (TypeError, AttributeError) as error:
        if not options.params.get("aws_config"):
            raise
        raise KeyturnError(
            f"aws_config is not what botocore's Config takes: {' '.join(str(error).split())}; the number of tries "
            "goes under "
            "retries, as in {retries: {max_attempts: 5}}"
        ) from None
    return region, endpoint, params


# -- credentials -----------------------------------------------------------------------------------------------------


def _refuse_bad_credentials(client: Any, profile: str | None) -> None:
    """Has the credentials before the first request, so that what goes wrong with them is said as such.

    Raises KeyturnError.
    """
    credentials = client._request_signer._credentials  # botocore has no public way to ask a client
    if credentials is None:
        return  # the first request says so
    asking = _profile_with_mfa(profile) if credentials.method == "assume-role" else None
    if asking:
        raise KeyturnError(
            f"Profile {asking} asks for an MFA code (mfa_serial), which nobody can type in here: get session "
            "credentials with the code first (aws sts assume-role or get-session-token), and give them as access_key, "
            "secret_key and session_token or AWS_* variables"
        )
    try:
        frozen = credentials.get_frozen_credentials()
    except Exception as error:
        failure = KeyturnError("Could not get AWS credentials", in_own_words(error))
    else:
        _refuse_unprintable(frozen)
        return
    raise failure


def _refuse_unprintable(credentials: Any) -> None:
    """Credentials go into headers, and botocore's word for one that cannot shows the header."""
    values = {
        "access key id": credentials.access_key,
        "secret access key": credentials.secret_key,
        "session token": credentials.token,
    }
    for name, value in values.items():
        if value and not re.fullmatch("[!-~]+", str(value)):
            raise KeyturnError(
                f"The {name} of these AWS credentials has a line break, a blank or another character that no {name} "
                "has: it was not copied well, so take it anew"
            )


def _profile_with_mfa(profile: str | None) -> str | None:
    """The profile that wants an MFA code: the one in use, or one that it takes its credentials from."""
    session = botocore.session.Session(profile=profile)
    name, seen = session.profile or "default", set()
    profiles = session.full_config.get("profiles", {})
    while name in profiles and name not in seen:
        seen.add(name)
        if profiles[name].get("mfa_serial") and profiles[name].get("role_arn"):
            return str(name)
        name = profiles[name].get("source_profile")
    return None


def _read_dates_fast(client: Any) -> None:
    """Has the client read dates as IAM writes them: ISO 8601.

    botocore's parser of any date takes a tenth of the time that a request costs here.
    """

    def parse(text: Any) -> Any:
        try:
            return from_iso(text)
        except ValueError:
            return parse_timestamp(text)

    client._endpoint._response_parser_factory.set_parser_defaults(
        timestamp_parser=parse
    )  # botocore has no public way to it


# -- STS -------------------------------------------------------------------------------------------------------------


def sts_endpoint(endpoint: str | None) -> str | None:
    """An endpoint given for IAM serves STS too (a test server, a gateway), unless it is one of AWS's own for IAM."""
    host = ((urlsplit(endpoint).hostname or "") if endpoint else "").rstrip(".")
    return None if not host or f".{host}".endswith(_aws_domains()) else endpoint


def prepare() -> None:
    """For the processes that will be forked: what is the same in each of them."""
    read_early()
    with suppress(Exception):  # whoever needs it says so
        _aws_domains()


@cache
def _aws_domains() -> tuple[str, ...]:
    """The domains of all of AWS's partitions, each with a dot before it, as botocore knows them."""
    found = set()
    try:
        for partition in loader().load_data("partitions")["partitions"]:
            found |= {partition["outputs"].get(name) for name in ("dnsSuffix", "dualStackDnsSuffix")}
    except DataNotFoundError:  # older ones have the suffixes beside the endpoints only
        pass
    for partition in loader().load_data("endpoints")["partitions"]:
        variants = partition.get("defaults", {}).get("variants", [])
        found |= {partition["dnsSuffix"], *(variant.get("dnsSuffix") for variant in variants)}
    return tuple(f".{suffix}" for suffix in sorted(filter(None, found)))


class StsCheck:
    """Asks STS whose key a key is. Threads may share it: each question takes a client for itself, which signs with
    whatever its credentials hold.
    """

    def __init__(
        self, region: str | None, endpoint: str | None, profile: str | None, verify: Any, config: Any, pace: Pace
    ) -> None:
        self._session = botocore.session.Session(profile=profile)
        self._options = {
            "region_name": region,
            "endpoint_url": sts_endpoint(endpoint),
            "verify": verify,
            "config": config,
            # Each client gets credentials of its own by that, whatever these are.
            "aws_access_key_id": "-",
            "aws_secret_access_key": "-",
        }
        self._pace, self._making = pace, Lock()
        self._clients = deque([self._client()])

    def _client(self) -> Any:
        with self._making:
            return self._session.create_client("sts", **self._options)

    @property
    def region(self) -> str:
        return str(self._clients[0].meta.region_name)

    def identity(self, access_key_id: str, secret_access_key: str) -> dict[str, Any]:
        """GetCallerIdentity signed with the key, over a connection of its own: another answer may be another server's.

        Raises SDK_ERRORS. It needs no permission and answers even under an explicit deny (STS API Reference,
        GetCallerIdentity).
        """
        with self._pace.turn():
            client = self._take()
            try:
                client._endpoint.http_session.close()  # its connections are made anew; `client.close()` is younger
                credentials = client._request_signer._credentials  # botocore has no public way to ask a client
                credentials.access_key, credentials.secret_key = access_key_id, secret_access_key
                return _answered(client.get_caller_identity)
            finally:
                self._clients.append(client)

    def _take(self) -> Any:
        try:
            return self._clients.pop()
        except IndexError:  # all others are in use
            return self._client()


def _answered(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What GetCallerIdentity answers, or an error that may be shown."""
    try:
        answer = ask()
    except SDK_ERRORS as error:
        failure = in_own_words(error)
    except Exception as error:
        failure = call_error(error)
    else:
        if answer.get("Account") and answer.get("Arn"):
            return answer
        failure = ForeignAnswer()
    raise failure
