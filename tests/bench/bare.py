# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other side of the comparison: boto3 alone, in a process of its own.

    python bare.py loop URL NAME...     one ListAccessKeys for each name, one after the other
    python bare.py audit URL            all users, their keys and last uses, with 16 threads
    python bare.py rotate URL NAME...   a rotation that asks the least, with 16 threads: list, last use, list, create, three times
                                        STS with the new key, half a second apart for all of them together; nothing is stored
    python bare.py floor URL            the audit's requests without boto3, signed but once: what the server and 16 connections take

Prints the seconds that it took, imports and the making of the client taken off; of the loop, which is short, the median of several.
"""

from __future__ import annotations

import re
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

THREADS, STS_PAUSE = 16, 0.5
PASSES = {"loop": 5, "audit": 1, "rotate": 1, "floor": 1}


def loop(iam: Any, names: list[str]) -> None:
    for name in names:
        iam.list_access_keys(UserName=name)


def audit(iam: Any, _names: list[str]) -> None:
    def look(name: str) -> list[Any]:
        keys = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        return [(key, iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])) for key in keys]

    names = [
        user["UserName"]
        for page in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1000})
        for user in page["Users"]
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(look, names))


def rotate(iam: Any, names: list[str]) -> None:
    session, making = boto3.Session(region_name="us-east-1"), threading.Lock()

    def renew(name: str) -> Any:
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        iam.list_access_keys(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
        with making:
            return session.client("sts", endpoint_url=iam.meta.endpoint_url, **keys)

    with ThreadPoolExecutor(THREADS) as pool:
        checks = list(pool.map(renew, names))
        for pause in (0, STS_PAUSE, STS_PAUSE):
            time.sleep(pause)
            list(pool.map(lambda sts: sts.get_caller_identity(), checks))


def floor(iam: Any, _names: list[str]) -> None:
    url = iam.meta.endpoint_url
    request = AWSRequest("POST", url, headers={"Content-Type": "application/x-www-form-urlencoded"})
    SigV4Auth(iam._request_signer._credentials, "iam", "us-east-1").add_auth(request)
    headers = dict(request.headers)

    class Own(threading.local):
        """A thread's; made anew in each."""

        def __init__(self) -> None:
            self.connection = HTTPConnection(urlsplit(url).netloc)

    own = Own()

    def ask(action: str, **params: str) -> str:
        own.connection.request("POST", "/", urlencode({"Action": action, "Version": "2010-05-08", **params}), headers)
        return own.connection.getresponse().read().decode()

    def look(name: str) -> None:
        for key_id in re.findall("<AccessKeyId>(.*?)<", ask("ListAccessKeys", UserName=name)):
            ask("GetAccessKeyLastUsed", AccessKeyId=key_id)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(look, re.findall("<UserName>(.*?)<", ask("ListUsers", MaxItems="1000"))))


def main() -> None:
    what, url, *names = sys.argv[1:]
    iam = boto3.client("iam", region_name="us-east-1", endpoint_url=url, config=Config(max_pool_connections=THREADS))
    seconds = []
    for _turn in range(PASSES[what]):
        began = time.perf_counter()
        {"loop": loop, "audit": audit, "rotate": rotate, "floor": floor}[what](iam, names)
        seconds.append(time.perf_counter() - began)
    print(statistics.median(seconds))


if __name__ == "__main__":
    main()
