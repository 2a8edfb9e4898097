# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From amazon.aws's common options to IAM and STS.

`module` is an AnsibleAWSModule or whatever has its `params`, `_name`, `fail_json` and `fail_json_aws`: nothing else of it
is touched, here or in amazon.aws's `get_aws_connection_info` and `boto3_conn`.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.amazon.aws.plugins.module_utils.botocore import boto3_conn, get_aws_connection_info

from ._credentials import without_foreign_credentials
from ._errors import KeyturnError
from ._iam import TRIES, Iam
from ._time import from_iso

try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.utils import parse_timestamp
except ImportError:  # amazon.aws says so before anything here is used
    pass

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonwebservices.com.cn")


def connect(module: Any, pool: int = 10) -> Iam:
    """IAM by the module's connection options; up to `pool` requests at a time.

    The client is told to send each request once, whatever `aws_config` says of retries: what may be repeated
    is decided in `Iam`, which takes the number of attempts over.
    """
    module.params.update(without_foreign_credentials(module.params))
    region, endpoint, params = get_aws_connection_info(module)
    wanted = params.pop("aws_config", None)
    retries: dict[str, Any] = (getattr(wanted, "retries", None) or {}) if wanted else {}
    config = Config(max_pool_connections=max(pool, 10))
    if wanted:
        config = config.merge(wanted)
    config = config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"}))
    client = boto3_conn(
        module, conn_type="client", resource="iam", region=region, endpoint=endpoint, config=config, **params
    )
    _read_dates_fast(client)
    tries = int(retries.get("total_max_attempts") or retries.get("max_attempts", TRIES - 1) + 1)

    def own_sts() -> Any:
        return boto3_conn(
            module,
            conn_type="client",
            resource="sts",
            region=region,
            endpoint=sts_endpoint(endpoint),
            config=config,
            **params,
        )

    @cache
    def sts() -> StsCheck:
        return StsCheck(region, endpoint, params.get("profile_name"), params.get("verify"), config)

    return Iam(client, sts, own_sts, max(tries, 1))


def _read_dates_fast(client: Any) -> None:
    """IAM's dates are ISO 8601, and botocore's parser of any date takes a tenth of the time that a request costs here."""

    def parse(text: Any) -> Any:
        try:
            return from_iso(text)
        except ValueError:
            return parse_timestamp(text)

    client._endpoint._response_parser_factory.set_parser_defaults(
        timestamp_parser=parse
    )  # botocore has no public way to it


def sts_endpoint(endpoint: str | None) -> str | None:
    """An endpoint given for IAM serves STS too (a test server, a gateway), unless it is one of AWS's own for IAM."""
    host = (urlsplit(endpoint).hostname or "") if endpoint else ""
    return None if not host or host.endswith(AWS_DOMAINS) else endpoint


class StsCheck:
    """Asks STS whose key a key is. One client serves all keys: it signs with whatever its credentials hold."""

    def __init__(self, region: str | None, endpoint: str | None, profile: str | None, verify: Any, config: Any) -> None:
        session = botocore.session.Session(profile=profile)
        session.set_credentials("-", "-")
        self._credentials = session.get_credentials()
        try:
            self._client = session.create_client(
                "sts", region_name=region, endpoint_url=sts_endpoint(endpoint), verify=verify, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise KeyturnError(
                "Could not connect to STS, which has to accept a new key before it is made current", error
            ) from error

    def identity(self, access_key_id: str, secret_access_key: str) -> dict[str, Any]:
        """GetCallerIdentity signed with the key.

        Raises botocore's errors. It needs no permission and answers even under an explicit deny (STS API Reference, GetCallerIdentity).
        """
        self._credentials.access_key, self._credentials.secret_key = access_key_id, secret_access_key
        answer: dict[str, Any] = self._client.get_caller_identity()
        return answer
