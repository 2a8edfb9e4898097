# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory itself: each strictness and each fault shows with plain boto3, and playbooks run in it as a user's do."""

from __future__ import annotations

import dataclasses
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import AnsibleVaultError
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from controller.runner import Controller, default_collections, run_playbook
from controller.store import open_store, vault_id_of, write_store
from lab import faults
from lab.client import ADMIN, Lab, LabError
from lab.messages import ACCOUNT, Credentials, Fault, Key, KeyState, User


def refusal(call: Callable[[], object]) -> tuple[str, int, str]:
    """Code, HTTP status and message of the refusal that the call meets."""
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def credentials(answer: dict[str, Any]) -> Credentials:
    """Of CreateAccessKey's answer."""
    return Credentials(answer["AccessKey"]["AccessKeyId"], answer["AccessKey"]["SecretAccessKey"])


def identify(lab: Lab, key: Credentials | KeyState) -> dict[str, Any]:
    return dict(lab.boto("sts", key).get_caller_identity())


def listed(lab: Lab, user_name: str) -> dict[str, str]:
    return {
        key["AccessKeyId"]: key["Status"]
        for key in lab.boto("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    }


class TestWorld:
    def test_seeded_users_are_what_aws_lists(self, lab: Lab) -> None:
        seeded = lab.seed(
            "ci",
            Key(age_days=120, used_days=0.1, service="s3", region="eu-west-1"),
            Key(age_days=3, status="Inactive", access_key_id="AKIAIOSFODNN7EXAMPLE"),
            path="/robots/",
            tags={"team": "a"},
        )
        iam = lab.boto("iam")
        user = iam.get_user(UserName="ci")["User"]
        assert user["UserId"].startswith("AIDA") and len(user["UserId"]) == 21
        assert (user["UserId"], user["Arn"]) == (seeded.user_id, f"arn:aws:iam::{ACCOUNT}:user/robots/ci")
        assert user["Tags"] == [{"Key": "team", "Value": "a"}]
        old, new = iam.list_access_keys(UserName="ci")["AccessKeyMetadata"]
        assert (old["Status"], new["Status"], new["AccessKeyId"]) == ("Active", "Inactive", "AKIAIOSFODNN7EXAMPLE")
        assert old["CreateDate"].isoformat() and old["CreateDate"] == datetime.fromisoformat(seeded.keys[0].create_date)
        used = iam.get_access_key_last_used(AccessKeyId=old["AccessKeyId"])
        assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"], used["AccessKeyLastUsed"]["Region"]) == (
            "ci",
            "s3",
            "eu-west-1",
        )
        never = iam.get_access_key_last_used(AccessKeyId=new["AccessKeyId"])["AccessKeyLastUsed"]
        assert never == {"ServiceName": "N/A", "Region": "N/A"}
        assert lab.state()["ci"] == seeded

    def test_dates_are_the_laboratorys_in_whole_seconds(self, lab: Lab) -> None:
        lab.seed("ci")
        lab.clock(days=8)
        answer = lab.boto("iam").create_access_key(UserName="ci")
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        assert timedelta(days=8) - timedelta(seconds=5) < date - datetime.now(UTC) <= timedelta(days=8)
        made = answer["AccessKey"]["CreateDate"]
        assert made.microsecond == 0 and timedelta(0) <= date - made < timedelta(seconds=5)
        assert lab.clock(advance=37).partition("T")[0] == (datetime.now(UTC) + timedelta(days=45)).date().isoformat()

    def test_an_error_carries_the_date_too(self, lab: Lab) -> None:
        lab.clock(days=8)
        lab.fault("throttle")
        with pytest.raises(ClientError) as caught:
            lab.boto("iam").list_users()
        date = parsedate_to_datetime(caught.value.response["ResponseMetadata"]["HTTPHeaders"]["date"])
        assert date > datetime.now(UTC) + timedelta(days=7)

    def test_two_hundred_and_fifty_users_need_three_pages(self, lab: Lab) -> None:
        lab.seed_users(User(f"user-{number:03}", path="/a/" if number % 2 else "/b/") for number in range(250))
        pages = list(lab.boto("iam").get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1000}))
        assert [len(page["Users"]) for page in pages] == [100, 100, 50]
        assert len({user["UserName"] for page in pages for user in page["Users"]}) == 250
        assert len(lab.boto("iam").list_users(MaxItems=7, PathPrefix="/a/")["Users"]) == 7
        assert [request.action for request in lab.requests()] == ["ListUsers"] * 4

    def test_keys_are_paged_and_a_page_survives_the_end_of_the_one_before(self, lab: Lab) -> None:
        keys = lab.seed("ci", Key(3), Key(2), Key(1)).keys
        lab.settings(keys_page_size=1)
        iam = lab.boto("iam")
        first = iam.list_access_keys(UserName="ci")
        assert first["IsTruncated"] and first["AccessKeyMetadata"][0]["AccessKeyId"] == keys[0].access_key_id
        lab.delete_key(keys[0].access_key_id)
        assert (
            iam.list_access_keys(UserName="ci", Marker=first["Marker"])["AccessKeyMetadata"][0]["AccessKeyId"]
            == keys[1].access_key_id
        )
        assert len(list(iam.get_paginator("list_access_keys").paginate(UserName="ci"))) == 2

    def test_the_quota_is_the_accounts(self, lab: Lab) -> None:
        lab.seed("ci", Key(1), Key(2))
        iam = lab.boto("iam")
        assert refusal(lambda: iam.create_access_key(UserName="ci"))[:2] == ("LimitExceeded", 409)
        lab.settings(quota=3, root_access_key_present=True)
        iam.create_access_key(UserName="ci")
        assert (
            refusal(lambda: iam.create_access_key(UserName="ci"))[2] == "Cannot exceed quota for AccessKeysPerUser: 3"
        )
        summary = iam.get_account_summary()["SummaryMap"]
        assert (summary["AccessKeysPerUserQuota"], summary["AccountAccessKeysPresent"]) == (3, 1)

    def test_what_is_not_there_and_what_cannot_be(self, lab: Lab) -> None:
        key = lab.seed("ci", Key(1)).keys[0]
        iam = lab.boto("iam")
        assert refusal(lambda: iam.list_access_keys(UserName="nobody"))[:2] == ("NoSuchEntity", 404)
        assert refusal(lambda: iam.delete_access_key(UserName="ci", AccessKeyId="AKIANOTTHEREATALL123"))[:2] == (
            "NoSuchEntity",
            404,
        )
        assert refusal(lambda: iam.get_user(UserName="ci-*"))[:2] == ("ValidationError", 400)
        assert refusal(lambda: iam.update_access_key(UserName="ci", AccessKeyId=key.access_key_id, Status="Expired"))[
            :2
        ] == (
            "ValidationError",
            400,
        )
        code, status, message = refusal(lambda: iam.get_access_key_last_used(AccessKeyId="AKIANOTTHEREATALL123"))
        assert (code, status) == (
            "AccessDenied",
            403,
        ) and "iam:GetAccessKeyLastUsed on resource: access key AKIANOTTHEREATALL123" in message
        lab.settings(unknown_key_denied=False)
        assert refusal(lambda: iam.get_access_key_last_used(AccessKeyId="AKIANOTTHEREATALL123"))[0] == "NoSuchEntity"

    def test_a_renamed_user_keeps_id_keys_and_tags(self, lab: Lab) -> None:
        before = lab.seed("ci", Key(1, used_days=0.5), tags={"team": "a"})
        after = lab.rename_user("ci", "builds")
        assert (after.user_id, after.tags) == (before.user_id, before.tags)
        assert [key.access_key_id for key in after.keys] == [before.keys[0].access_key_id]
        assert (
            lab.boto("iam").get_access_key_last_used(AccessKeyId=before.keys[0].access_key_id)["UserName"] == "builds"
        )
        assert identify(lab, before.keys[0])["Arn"].endswith(":user/builds")
        assert refusal(lambda: lab.boto("iam").list_access_keys(UserName="ci"))[0] == "NoSuchEntity"
        lab.boto("iam").update_user(UserName="builds", NewUserName="ci")
        again = lab.state()["ci"]
        assert (again.user_id, again.arn, again.tags, again.keys[0].user_name) == (
            before.user_id,
            before.arn,
            before.tags,
            "ci",
        )

    def test_a_user_made_again_is_another(self, lab: Lab) -> None:
        before = lab.seed("ci", Key(1))
        after = lab.recreate_user("ci")
        assert after.user_id != before.user_id and not after.keys
        assert refusal(lambda: identify(lab, before.keys[0]))[0] == "InvalidClientTokenId"
        lab.add_key("ci", Key(1))
        assert refusal(lambda: lab.boto("iam").delete_user(UserName="ci"))[0] == "DeleteConflict"

    def test_policies_of_awss_own_that_are_attached(self, lab: Lab) -> None:
        iam = lab.boto("iam")
        ask = {"Scope": "AWS", "OnlyAttached": True}
        assert iam.list_policies(**ask)["Policies"] == []
        for name in ("ci", "web"):
            lab.seed(name)
            lab.attach(name, "ReadOnlyAccess")
        lab.settings(page_size=1)
        (policy,) = iam.list_policies(**ask)["Policies"]
        page = iam.list_entities_for_policy(PolicyArn=policy["Arn"], EntityFilter="User")
        assert (policy["PolicyName"], page["IsTruncated"]) == ("ReadOnlyAccess", True)
        assert [user["UserName"] for user in page["PolicyUsers"]] == ["ci"]

    def test_another_account_has_users_of_its_own(self, lab: Lab) -> None:
        lab.seed("ci")
        other = lab.account("210987654321")
        assert identify(lab, other)["Account"] == "210987654321"
        assert lab.boto("iam", other).list_users()["Users"] == []
        user = lab.seed("ci", Key(1), account_id="210987654321")
        assert identify(lab, user.keys[0]) | {"ResponseMetadata": {}} == {
            "Account": "210987654321",
            "UserId": user.user_id,
            "Arn": "arn:aws:iam::210987654321:user/ci",
            "ResponseMetadata": {},
        }
        assert list(lab.state("210987654321")) == ["ci"] and lab.state("210987654321") != lab.state()

    def test_an_assumed_role_signs_with_its_token(self, lab: Lab) -> None:
        found = lab.boto("sts").assume_role(RoleArn="arn:aws:iam::210987654321:role/keys", RoleSessionName="someone")[
            "Credentials"
        ]
        role = Credentials(found["AccessKeyId"], found["SecretAccessKey"], session_token=found["SessionToken"])
        assert identify(lab, role)["Arn"] == "arn:aws:sts::210987654321:assumed-role/keys/someone"
        assert (
            refusal(lambda: identify(lab, dataclasses.replace(role, session_token="no")))[0] == "InvalidClientTokenId"
        )

    def test_changes_by_hand(self, lab: Lab) -> None:
        key = lab.seed("ci", Key(age_days=1)).keys[0]
        assert lab.set_key(key.access_key_id, status="Expired", age_days=100).status == "Expired"
        assert listed(lab, "ci") == {key.access_key_id: "Expired"}
        lab.delete_user("ci")
        assert lab.state() == {}

    def test_lenient_is_motos_way(self) -> None:
        with Lab.start(strict=False) as lab:
            key = lab.seed("ci", Key(1, status="Inactive")).keys[0]
            assert identify(lab, key)["UserId"] == lab.state()["ci"].user_id
            assert identify(lab, Credentials("AKIAUNKNOWNUNKNOWN12", "x"))["Account"] == ACCOUNT


class TestWhoMayDoWhat:
    def test_inactive_unknown_deleted_and_wrongly_signed(self, lab: Lab) -> None:
        good, off = lab.seed("ci", Key(1), Key(1, status="Inactive")).keys
        assert identify(lab, good)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ci"
        assert refusal(lambda: identify(lab, off))[:2] == ("InvalidClientTokenId", 403)
        assert refusal(lambda: identify(lab, Credentials("AKIAUNKNOWNUNKNOWN12", "x")))[:2] == (
            "InvalidClientTokenId",
            403,
        )
        assert refusal(lambda: identify(lab, dataclasses.replace(good, secret_access_key="x")))[:2] == (
            "SignatureDoesNotMatch",
            403,
        )
        assert (
            refusal(lambda: lab.boto("iam", dataclasses.replace(ADMIN, secret_access_key="x")).list_users())[0]
            == "SignatureDoesNotMatch"
        )
        lab.delete_key(good.access_key_id)
        assert refusal(lambda: identify(lab, good))[0] == "InvalidClientTokenId"
        assert identify(lab, ADMIN)["Account"] == ACCOUNT

    def test_denied_for_one_user(self, lab: Lab) -> None:
        lab.seed("ci", Key(1))
        lab.seed("web", Key(1))
        lab.deny("ListAccessKeys", user="ci")
        code, status, message = refusal(lambda: listed(lab, "ci"))
        assert (code, status) == ("AccessDenied", 403)
        assert (
            f"User: arn:aws:iam::{ACCOUNT}:user/lab/admin is not authorized to perform: iam:ListAccessKeys on resource: user ci"
            in message
        )
        assert listed(lab, "web")
        lab.allow_all()
        assert listed(lab, "ci")

    def test_denied_by_the_owner_of_a_key(self, lab: Lab) -> None:
        key = lab.seed("ci", Key(1)).keys[0]
        lab.deny("GetAccessKeyLastUsed", user="ci")
        assert (
            refusal(lambda: lab.boto("iam").get_access_key_last_used(AccessKeyId=key.access_key_id))[0]
            == "AccessDenied"
        )

    def test_only_what_a_policy_allows(self, lab: Lab) -> None:
        lab.allow_only(["iam:List*"])
        lab.boto("iam").list_users()
        assert refusal(lambda: lab.boto("iam").get_account_summary())[0] == "AccessDenied"
        identify(lab, ADMIN)


class TestLagging:
    def test_a_new_key_is_refused_for_a_while(self, lab: Lab) -> None:
        lab.seed("ci")
        lab.settings(new_key_refused_seconds=60)
        key = credentials(lab.boto("iam").create_access_key(UserName="ci"))
        assert refusal(lambda: identify(lab, key))[0] == "InvalidClientTokenId"
        lab.settings(new_key_refused_seconds=0.01)
        time.sleep(0.01)
        identify(lab, key)

    def test_a_new_key_works_once_and_fails_next(self, lab: Lab) -> None:
        lab.seed("ci")
        lab.settings(new_key_answers=[True, False])
        key = credentials(lab.boto("iam").create_access_key(UserName="ci"))
        identify(lab, key)
        assert refusal(lambda: identify(lab, key))[0] == "InvalidClientTokenId"
        identify(lab, key)

    def test_a_list_leaves_a_new_key_out(self, lab: Lab) -> None:
        old = lab.seed("ci", Key(1)).keys[0]
        lab.settings(hide_new_keys_requests=2)
        new = credentials(lab.boto("iam").create_access_key(UserName="ci"))
        assert list(listed(lab, "ci")) == list(listed(lab, "ci")) == [old.access_key_id]
        assert list(listed(lab, "ci")) == [old.access_key_id, new.access_key_id]
        assert len(lab.state()["ci"].keys) == 2
        lab.reset(hide_new_keys_seconds=60)
        lab.seed("ci")
        lab.boto("iam").create_access_key(UserName="ci")
        assert not listed(lab, "ci")
        lab.settings(hide_new_keys_seconds=0.01)
        time.sleep(0.01)
        assert listed(lab, "ci")

    def test_a_list_is_as_old_as_told(self, lab: Lab) -> None:
        first, second = lab.seed("ci", Key(2), Key(1)).keys
        lab.settings(stale_lists_seconds=60)
        iam = lab.boto("iam")
        iam.update_access_key(UserName="ci", AccessKeyId=first.access_key_id, Status="Inactive")
        iam.delete_access_key(UserName="ci", AccessKeyId=second.access_key_id)
        assert listed(lab, "ci") == {first.access_key_id: "Active", second.access_key_id: "Active"}
        lab.settings(stale_lists_seconds=0.01)
        time.sleep(0.01)
        assert listed(lab, "ci") == {first.access_key_id: "Inactive"}

    def test_last_use_shows_hours_later(self, lab: Lab) -> None:
        key = lab.seed("ci", Key(1)).keys[0]
        identify(lab, key)

        def shown() -> str:
            return str(
                lab.boto("iam").get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"][
                    "ServiceName"
                ]
            )

        assert shown() == "N/A"
        assert lab.state()["ci"].keys[0].last_use is not None
        lab.clock(days=1)
        assert shown() == "sts"
        lab.use(key.access_key_id, days_ago=0.5, service="s3")
        assert shown() == "s3"
        lab.forget_uses(key.access_key_id)
        lab.settings(last_use_lag_hours=None)
        identify(lab, key)
        lab.clock(days=9)
        assert shown() == "N/A"
        lab.settings(last_use_lag_hours=0)
        identify(lab, key)
        assert shown() == "sts"


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "code", "status"),
        [
            ("throttle", "Throttling", 400),
            ("rate_exceeded", "RequestLimitExceeded", 503),
            ("error500", "ServiceFailure", 500),
            ("concurrent_modification", "ConcurrentModification", 409),
            ("temporarily_unmodifiable", "EntityTemporarilyUnmodifiable", 409),
        ],
    )
    def test_errors(self, lab: Lab, kind: str, code: str, status: int) -> None:
        lab.seed("ci")
        lab.fault(kind, "CreateAccessKey")
        iam = lab.boto("iam")
        assert refusal(lambda: iam.create_access_key(UserName="ci"))[:2] == (code, status)
        assert not lab.state()["ci"].keys
        iam.create_access_key(UserName="ci")
        first, second = lab.requests("CreateAccessKey")
        assert (first.status, first.error, first.fault, first.executed) == (status, code, f"{kind} before", False)
        assert (second.status, second.error, second.fault, second.executed) == (200, None, None, True)
        assert [fault.fired for fault in lab.faults()] == [1]

    def test_an_error_of_ones_own(self, lab: Lab) -> None:
        lab.fault(
            "error", code="ExpiredToken", status=403, message="The security token included in the request is expired"
        )
        assert refusal(lambda: lab.boto("iam").list_users())[:2] == ("ExpiredToken", 403)

    def test_executed_all_the_same(self, lab: Lab) -> None:
        lab.seed("ci")
        lab.fault("error500", "CreateAccessKey", when="after")
        assert refusal(lambda: lab.boto("iam").create_access_key(UserName="ci"))[0] == "ServiceFailure"
        assert len(lab.state()["ci"].keys) == 1
        assert lab.requests("CreateAccessKey")[0].executed

    def test_which_requests_meet_it(self, lab: Lab) -> None:
        lab.seed("ci")
        lab.seed("web")
        lab.fault("throttle", "List*", user="ci", nth=2, count=2)
        iam = lab.boto("iam")
        met = []
        for user in ("ci", "web", "ci", "web", "ci", "ci"):
            try:
                iam.list_access_keys(UserName=user)
            except ClientError:
                met.append(user)
        assert met == ["ci", "ci"]
        assert [request.n for request in lab.requests() if request.fault] == [3, 5]
        lab.clear_faults()
        lab.fault("throttle", count=0)
        for _turn in range(3):
            refusal(iam.list_users)
        lab.reset()
        iam.list_users()

    @pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1), ("during", 1)])
    def test_cut(self, lab: Lab, when: str, made: int) -> None:
        lab.seed("ci")
        lab.fault("cut", "CreateAccessKey", when=when)
        with pytest.raises((ConnectionClosedError, ResponseParserError)):
            lab.boto("iam").create_access_key(UserName="ci")
        assert len(lab.state()["ci"].keys) == made
        request = lab.requests("CreateAccessKey")[0]
        assert (request.status, request.executed) == (None, bool(made))

    def test_botocore_makes_a_second_key_of_a_cut(self, lab: Lab) -> None:
        """The loss that this project is about: botocore sends the request again, and nobody holds the first key's secret."""
        lab.seed("ci")
        lab.fault("cut", "CreateAccessKey", when="after")
        lab.boto("iam", retries={"total_max_attempts": 3, "mode": "standard"}).create_access_key(UserName="ci")
        assert len(lab.state()["ci"].keys) == 2

    def test_an_answer_cut_short_shows_its_secret_in_botocores_error(self, lab: Lab) -> None:
        """A fact about botocore that error messages have to reckon with; the class is neither a ClientError nor a BotoCoreError."""
        lab.seed("ci")
        lab.fault("cut", "CreateAccessKey", when="during", part=0.9)
        with pytest.raises(ResponseParserError) as caught:
            lab.boto("iam").create_access_key(UserName="ci")
        assert lab.state()["ci"].keys[0].secret_access_key in str(caught.value)

    @pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
    def test_hang(self, lab: Lab, when: str, made: int) -> None:
        lab.seed("ci")
        lab.fault("hang", "CreateAccessKey", when=when)
        with pytest.raises(ReadTimeoutError):
            lab.boto("iam", read_timeout=0.3).create_access_key(UserName="ci")
        assert len(lab.state()["ci"].keys) == made

    def test_delay(self, lab: Lab) -> None:
        lab.fault("delay", seconds=0.3)
        began = time.monotonic()
        lab.boto("iam").list_users()
        assert time.monotonic() - began >= 0.3

    def test_refuse_closes_the_port_for_a_while(self, lab: Lab) -> None:
        lab.seed("ci")
        lab.fault("refuse", "ListUsers", when="after", seconds=1.5)
        iam = lab.boto("iam")
        iam.list_users()
        with pytest.raises(EndpointConnectionError):
            iam.create_access_key(UserName="ci")
        assert not lab.state()["ci"].keys
        iam.create_access_key(UserName="ci")
        lab.fault("refuse", seconds=0.2)
        with pytest.raises(HTTPClientError):
            iam.list_users()
        assert len(lab.requests("ListUsers")) == 2

    def test_pause_lets_the_world_change_between(self, lab: Lab) -> None:
        key = lab.seed("ci", Key(1)).keys[0]
        lab.fault("pause", "ListAccessKeys")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(listed, lab, "ci")
            lab.wait_paused()
            lab.set_key(key.access_key_id, status="Inactive")
            assert not answer.done()
            lab.release()
            assert answer.result() == {key.access_key_id: "Inactive"}
        with pytest.raises(LabError, match="no request came"):
            lab.wait_paused(timeout=0.05)

    def test_latency_is_each_requests_own(self, lab: Lab) -> None:
        lab.settings(latency_ms=200)
        iam = lab.boto("iam", max_pool_connections=16)
        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _turn: iam.list_users(), range(16)))
        assert time.monotonic() - began < 8 * 0.2
        assert max(request.in_flight for request in lab.requests()) > 8

    def test_sixteen_at_once_never_pass_the_quota(self, lab: Lab) -> None:
        lab.seed("ci")
        iam = lab.boto("iam", max_pool_connections=16)

        def create(_turn: int) -> bool:
            try:
                return bool(iam.create_access_key(UserName="ci"))
            except ClientError:
                return False

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(create, range(32))) == 2

    @pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
    def test_kill_takes_every_descendant(self, lab: Lab, when: str, made: int) -> None:
        lab.seed("ci")
        worker = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(20)"]
        parent = f"import subprocess, time; subprocess.Popen({worker!r}, start_new_session=True); time.sleep(20)"
        with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout and process.stdout.readline() == b"up\n"
                family = faults.descendants(process.pid, faults.process_table())
                assert len(family) == 2
                lab.fault("kill", "CreateAccessKey", pid=process.pid, when=when)
                with pytest.raises(ConnectionClosedError):
                    lab.boto("iam").create_access_key(UserName="ci")
                assert process.wait(10) == -signal.SIGKILL
            finally:
                process.kill()
        assert len(lab.state()["ci"].keys) == made
        _wait_until(lambda: not family & faults.process_table().keys())

    def test_what_cannot_be_is_refused(self, lab: Lab) -> None:
        with pytest.raises(LabError, match="no such fault: flood"):
            lab.fault("flood")
        with pytest.raises(LabError, match="cannot happen during"):
            lab.fault("throttle", when="during")
        with pytest.raises(LabError, match="nothing was done"):
            lab.fault("throttle", when="after")
        with pytest.raises(LabError, match="no such setting: pages"):
            lab.settings(pages=1)
        with pytest.raises(ValueError, match="target"):
            faults.check(Fault("kill", target="some"))

    def test_the_log_names_signer_and_user(self, lab: Lab) -> None:
        key = lab.seed("ci", Key(1)).keys[0]
        identify(lab, key)
        lab.boto("iam").get_access_key_last_used(AccessKeyId=key.access_key_id)
        first, second = lab.requests()
        assert (first.service, first.action, first.access_key, first.user) == (
            "sts",
            "GetCallerIdentity",
            key.access_key_id,
            "ci",
        )
        assert (second.action, second.access_key, second.user) == ("GetAccessKeyLastUsed", ADMIN.access_key_id, "ci")
        assert second.params == {"AccessKeyId": key.access_key_id}
        assert lab.requests(user="web") == []
        lab.clear_requests()
        assert lab.requests() == []


class TestServer:
    def test_it_ends_with_its_parent(self) -> None:
        tests = str(Path(__file__).resolve().parents[1])
        code = f"import os, sys; sys.path.insert(0, {tests!r}); from lab.client import Lab; print(Lab.start().process.pid, flush=True); os._exit(0)"
        pid = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        _wait_until(lambda: pid not in faults.process_table())

    def test_within_this_process(self) -> None:
        """In a child, since moto's state is the process's."""
        code = """
from lab.client import Key, Lab
from lab.server import Server
import moto.iam.models as models
original = models.utcnow
server = Server(quota=5)
lab = Lab(server.start())
lab.seed("ci", Key(1))
assert lab.boto("iam").get_account_summary()["SummaryMap"]["AccessKeysPerUserQuota"] == 5
server.stop()
assert models.utcnow is original
"""
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[1])


CREATE = {
    "hosts": "localhost",
    "gather_facts": False,
    "tasks": [
        {
            "name": "make a key",
            "amazon.aws.iam_access_key": {"user_name": "ci", "rotate_keys": False},
            "register": "made",
        }
    ],
}


class TestPlaybook:
    def test_results_of_real_modules(self, lab: Lab, playbook: Callable[..., Any]) -> None:
        lab.seed("ci", path="/robots/")
        tasks = [
            {"name": "look", "amazon.aws.iam_user_info": {"name": "ci"}},
            {"name": "say", "ansible.builtin.debug": {"msg": "{{ item }} {{ word }}"}, "loop": [1, 2]},
            {"name": "stop", "ansible.builtin.fail": {"msg": "enough"}},
        ]
        run = playbook(
            {"hosts": "localhost", "gather_facts": False, "tasks": tasks},
            "-v",
            extra_vars={"word": "words"},
            check=True,
            diff=True,
        )
        assert run.rc == 2 and "PLAY RECAP" in run.stdout and {"-v", "--check", "--diff"} <= set(run.command)
        assert run.result("iam_user_info")["iam_users"][0]["path"] == "/robots/"
        assert [item.msg for item in run.tasks("say", items=True)] == ["1 words", "2 words"]
        assert (run.msg, run.changed, run.stats["localhost"]["failures"]) == ("enough", 0, 1)
        assert [request.access_key for request in lab.requests("GetUser")] == [ADMIN.access_key_id]
        with pytest.raises(AssertionError, match="enough"):
            run.ok()
        with pytest.raises(LookupError):
            run.result("nothing")

    def test_the_environment_is_clean(self, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "mine")
        monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "mine")
        tasks = [
            {
                "ansible.builtin.debug": {"msg": "{{ lookup('env', item) }}"},
                "loop": ["HOME", "AWS_PROFILE", "AWS_URL", "WORD", "AWS_REGION"],
            }
        ]
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        run = controller.run(play, inventory=["a", "b"], env={"WORD": "set", "AWS_REGION": None}).ok()
        seen = [item.msg for item in run.tasks("debug", host="b", items=True)]
        assert controller.lab and seen == [str(controller.folder / "home"), "", controller.lab.url, "set", ""]
        assert sorted(run.stats) == ["a", "b"]
        assert not list(controller.cwd.iterdir())

    def test_run_once_without_a_laboratory(self, tmp_path: Path) -> None:
        text = (
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: '{{ secret }}'}\n"
        )
        write_store(tmp_path / "vars.yml", {"secret": "s"}, {"prod": "p"})
        run = run_playbook(text, "-e", f"@{tmp_path / 'vars.yml'}", folder=tmp_path, vault_password={"prod": "p"})
        assert run.ok().result("debug")["msg"] == "s"
        failed = run_playbook(text, "-e", f"@{tmp_path / 'vars.yml'}", folder=tmp_path, vault_password=None)
        assert failed.rc != 0 and "vault" in failed.output

    def test_forked_or_started_it_is_the_same(self, lab: Lab, controller: Controller) -> None:
        """What an ansible-playbook that is forked from one that imported much has, and what one has that is started."""
        code = (
            "import os, signal, sys; print(sorted(os.environ.items()), os.getcwd(), sys.executable, "
            "[signal.getsignal(one) for one in sorted(signal.valid_signals())], sorted(os.listdir('/proc/self/fd')), os.umask(0))"
        )
        of_ansible = "{{ [ansible_playbook_python, ansible_version.full, ansible_config_file, lookup('pipe', 'pwd; env | sort')] }}"
        tasks = [
            {"name": "of_a_command", "ansible.builtin.command": {"argv": [sys.executable, "-c", code]}},
            {"name": "of_ansible", "ansible.builtin.debug": {"msg": of_ansible}},
        ]
        found = []
        for controller.anew in (False, True):
            running = controller.start({"hosts": "localhost", "gather_facts": False, "tasks": tasks})
            run = running.wait().ok()
            seen = [run.result("of_a_command")["stdout"], str(run.result("of_ansible")["msg"]), run.stdout, run.stderr]
            found.append([text.replace(running.run_id, "the-run") for text in seen])
        assert found[0] == found[1]

    def test_killed_after_the_key_was_made(self, lab: Lab, controller: Controller) -> None:
        lab.seed("ci")
        lab.fault("kill", "CreateAccessKey", when="after")
        running = controller.start(CREATE)
        marked = {running.pid}
        run = running.wait()
        assert run.rc == -signal.SIGKILL and not run.stats
        assert len(lab.state()["ci"].keys) == 1
        # One that was killed beside it takes a moment to end, where the machine is busy.
        _wait_until(lambda: not faults.of_run(running.run_id, faults.process_table()))
        assert not marked & faults.process_table().keys()
        assert not faults.of_run(running.run_id, faults.process_table())
        assert len(lab.requests("CreateAccessKey")) == 1

    def test_a_signal_to_the_main_process_lets_the_request_end(self, lab: Lab, controller: Controller) -> None:
        lab.seed("ci")
        lab.fault("kill", "CreateAccessKey", run="the-run", signal=int(signal.SIGTERM), target="main")
        controller.start(CREATE, run_id="the-run").wait()
        assert lab.requests("CreateAccessKey")[0].fault == "kill before"
        assert len(lab.state()["ci"].keys) == 1

    def test_one_that_does_not_end_is_killed(self, controller: Controller) -> None:
        running = controller.start(
            {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.command": "sleep 60"}]}
        )
        with pytest.raises(AssertionError, match=r"not done within 1\.5 seconds"):
            running.wait(timeout=1.5)
        _wait_until(lambda: not faults.of_run(running.run_id, faults.process_table()))

    def test_stores(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.yml"
        write_store(path, {"iam_access_keys": {"ci": {"access_key_id": "AKIA"}}})
        assert open_store(path) == {"iam_access_keys": {"ci": {"access_key_id": "AKIA"}}}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and vault_id_of(path) is None
        with pytest.raises(AnsibleVaultError):
            open_store(path, "another")
        write_store(path, {"a": 1}, {"dev": "d", "prod": "p"}, vault_id="prod")
        assert vault_id_of(path) == "prod" and open_store(path, "p") == {"a": 1}
        write_store(path, "not: [a mapping")
        with pytest.raises(Exception, match="flow sequence"):
            open_store(path)

    def test_the_collections_folder_holds_this_checkout(self, collections: Path) -> None:
        checkout = Path(__file__).resolve().parents[2]
        assert (collections / "ansible_collections" / "keyturn" / "iam").resolve() == checkout
        assert default_collections().is_absolute()


def _wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.02)
