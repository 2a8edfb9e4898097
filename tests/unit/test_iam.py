# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a request that AWS throttles waits before it is sent again, and which list is one, with a client that is told its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.amazon.aws.plugins.module_utils import cloud
from ansible_collections.keyturn.iam.plugins.module_utils._errors import IamError
from ansible_collections.keyturn.iam.plugins.module_utils._iam import Iam
from botocore.exceptions import ClientError


class Client:
    """Throttles the first requests for users it has a number for."""

    def __init__(self, **throttled: int) -> None:
        self.throttled = throttled
        self.asked: list[str] = []

    def list_access_keys(self, UserName: str, **_more: Any) -> dict[str, Any]:
        self.asked.append(UserName)
        if self.throttled.get(UserName, 0) > 0:
            self.throttled[UserName] -= 1
            raise ClientError(
                {"Error": {"Code": "Throttling"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "ListAccessKeys"
            )
        return {"AccessKeyMetadata": [], "IsTruncated": False}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """The longest that each wait may take, nothing of which is waited; `meanwhile` is done at each, as another thread would."""

    def watch(meanwhile: Callable[[], object] = lambda: None) -> list[float]:
        seen: list[float] = []

        def sleep(seconds: float) -> None:
            seen.append(seconds)
            meanwhile()

        monkeypatch.setattr(cloud.random, "uniform", lambda least, most: most)
        monkeypatch.setattr(cloud.time, "sleep", sleep)
        return seen

    return watch


def connected(client: Client, **options: Any) -> Iam:
    return Iam(client, lambda: None, lambda: None, **options)


def test_waits_grow_up_to_ten_seconds(waits: Callable[..., list[float]]) -> None:
    seen = waits()
    assert connected(Client(ci=7)).keys("ci") == []
    assert seen == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10]


def test_waits_grow_whatever_other_threads_ask(waits: Callable[..., list[float]]) -> None:
    iam = connected(Client(ci=4))
    seen = waits(lambda: iam.keys("other"))
    assert iam.keys("ci") == []
    assert seen == [0.2, 0.4, 0.8, 1.6]


def test_it_gives_up_after_so_many_tries(waits: Callable[..., list[float]]) -> None:
    client = Client(ci=99)
    seen = waits()
    with pytest.raises(IamError, match="Could not list the access keys of user ci"):
        connected(client, tries=3).keys("ci")
    assert client.asked == ["ci"] * 3 and len(seen) == 2


def test_a_list_that_does_not_say_whether_it_goes_on() -> None:
    """Is whole where it was read to its end, which has the request's id; a half-read list is no list."""

    class Silent(Client):
        def list_access_keys(self, UserName: str, **_more: Any) -> dict[str, Any]:
            end = {"ResponseMetadata": {"RequestId": "r"}} if UserName == "whole" else {}
            return {"AccessKeyMetadata": [], **end}

    iam = connected(Silent())
    assert iam.keys("whole") == []
    with pytest.raises(IamError, match="half of its answer is missing"):
        iam.keys("half")
