# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies between a task and AWS: proxies, portals, replicas that disagree, clocks that jump, a region that is off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller
from controller.store import entry_of, open_store, write_store
from integration.helpers import actions, info_task, key_task, ok, play, refusal, writes
from lab.client import Lab
from lab.messages import Key
from lab.proxy import Proxy
from thorough import thorough

STORE = "keys.yml"
ENTRY = "iam_access_keys"
FEW_TRIES = {"retries": {"total_max_attempts": 2}}
SLOW_WAY = {"vars": {"keyturn_in_process": False}}
NOT_AWS = "what answered was not AWS, or half of its answer is missing; is a proxy or a portal between?"


@pytest.fixture
def proxy(lab: Lab, tmp_path: Path) -> Iterator[Proxy]:
    with Proxy(lab.url, tmp_path) as listening:
        yield listening


def made(name: str = "made", user: str = "ci", **options: Any) -> dict[str, Any]:
    """A task that makes a key for the store, and does not wait for STS longer than it must."""
    return key_task(name, user, **{"vault_file": STORE, "verify_delay": 0, **options})


@pytest.mark.parametrize(
    ("tunnel", "when"),
    [
        (True, "after"),
        (False, "before"),
        thorough(True, "before"),
        thorough(False, "after"),
    ],
    ids=["connect-after", "plain-before", "connect-before", "plain-after"],
)
class TestProxies:
    def test_a_lost_answer_leaves_the_outcome_unknown(
        self, lab: Lab, controller: Controller, proxy: Proxy, tunnel: bool, when: str
    ) -> None:
        lab.seed("ci")
        proxy.reset("CreateAccessKey", when)
        run = controller.run(play(made(), made("again", max_age_days=1)), env=proxy.env(tunnel))
        said = refusal(run, "made")
        assert said.startswith(
            "No answer came to the request for a new access key of user ci, and it is never sent twice"
        )
        assert ("CONNECT" if tunnel else "plain", "CreateAccessKey") in proxy.seen
        if when == "after":
            assert "which an interrupted run left" in said and "which an interrupted run left" in refusal(run, "again")
            assert actions(lab).count("CreateAccessKey") == 1
            assert open_store(controller.cwd / STORE)[ENTRY]["ci"]["asked"]["known"] == []

    def test_what_may_be_repeated_is(
        self, lab: Lab, controller: Controller, proxy: Proxy, tunnel: bool, when: str
    ) -> None:
        (old,) = lab.seed("ci", Key(100)).keys
        lab.seed("web", Key(1))
        for action in ("ListAccessKeys", "GetUser", "GetAccountSummary", "GetCallerIdentity", "UpdateAccessKey"):
            proxy.reset(action, when)
        proxy.reset("GetAccessKeyLastUsed", when)
        run = controller.run(
            play(
                made(),
                key_task("off", "ci", vault_file=STORE, access_key_id=old.access_key_id, active=False, min_idle_days=1),
                info_task("look"),
            ),
            env=proxy.env(tunnel),
        ).ok()
        assert all(ok(run, name) for name in ("made", "off", "look"))
        assert [key.status for key in lab.state()["ci"].keys] == ["Inactive", "Active"]
        assert not any(reset.left for reset in proxy.resets)


@pytest.mark.parametrize("tunnel", [True, thorough(False)], ids=["connect", "plain"])
def test_a_proxy_that_nobody_listens_at_has_sent_nothing(
    lab: Lab, controller: Controller, proxy: Proxy, tunnel: bool
) -> None:
    """It is certain that nothing was sent, so that what was asked for in writing is taken back."""
    lab.seed("ci")
    proxy.last = "GetCallerIdentity"
    run = controller.run(play(made(aws_config=FEW_TRIES)), env=proxy.env(tunnel))
    assert refusal(run, "made").startswith("Could not make an access key for user ci: Failed to connect to proxy")
    assert not writes(lab) and "ci" not in (open_store(controller.cwd / STORE).get(ENTRY) or {})


HALF = {
    "ListAccessKeys": "<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata/></ListAccessKeysResult></ListAccessKeysResponse>",
    "GetAccessKeyLastUsed": "<R><GetAccessKeyLastUsedResult><UserName>ci</UserName></GetAccessKeyLastUsedResult></R>",
    "GetUser": "<R><GetUserResult><User><UserName>ci</UserName></User></GetUserResult></R>",
    "CreateAccessKey": "<R><CreateAccessKeyResult><AccessKey><AccessKeyId>AKIAHALFOFANANSWER00</AccessKeyId>"
    "<SecretAccessKey>half/of/an/answer</SecretAccessKey></AccessKey></CreateAccessKeyResult></R>",
    "UpdateAccessKey": "<UpdateAccessKeyResponse/>",
    "DeleteAccessKey": "<DeleteAccessKeyResponse/>",
    "GetCallerIdentity": "<R><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></R>",
}
PAGES = {"portal": None, "half": "half", "broken": "<!DOCTYPE html><html><body>Welcome<br></body></html>"}


@pytest.mark.parametrize("page", PAGES)
class TestForeignAnswers:
    """With status 200, and not AWS's."""

    def lay(self, lab: Lab, page: str, *wanted: str, **details: Any) -> None:
        for action in wanted:
            message = HALF[action] if page == "half" else PAGES[page]
            lab.fault("foreign", action, count=0, message=message, **details)

    def test_a_look(self, lab: Lab, controller: Controller, page: str) -> None:
        """One user's error is that user's, and the others are looked at."""
        for name in ("ci", "keys", "named"):
            lab.seed(name, Key(1))
        lab.seed("well", Key(1))
        self.lay(lab, page, "ListAccessKeys", user="keys")
        self.lay(lab, page, "GetAccessKeyLastUsed", user="ci")
        self.lay(lab, page, "GetUser", user="named")
        options: dict[str, Any] = {"aws_config": FEW_TRIES}
        few = ["ci", "keys", "named", "well"]
        run = controller.run(
            play(
                info_task("all", **options),
                info_task("module", task=SLOW_WAY, **options),
                info_task("few", user_name=few, **options),
            )
        ).ok()
        because = "its answer was cut short, or is not one of AWS's" if page == "broken" else NOT_AWS
        for name in ("all", "module", "few"):
            users = {user["user_name"]: user["error"] for user in ok(run, name)["users"]}
            assert users["well"] is None and because in users["keys"] and because in users["ci"]
            assert "Could not list the access keys of user keys" in users["keys"]
            assert (name != "few") or because in users["named"]
            rows = {row["user_name"]: row for row in ok(run, name)["access_keys"]}
            assert rows["well"]["last_used_known"] and not rows["ci"]["last_used_known"] and "keys" not in rows
        assert "Traceback" not in run.output

    def test_tasks(self, lab: Lab, controller: Controller, page: str) -> None:
        (old, off) = lab.seed("ci", Key(100), Key(50, "Inactive")).keys
        lab.seed("list", Key(1))
        lab.seed("user", Key(1))
        lab.seed("create")
        lab.seed("left")
        lab.settings(quota=5)
        self.lay(lab, page, "ListAccessKeys", user="list")
        self.lay(lab, page, "GetUser", user="user")
        self.lay(lab, page, "CreateAccessKey", user="create")
        self.lay(lab, page, "CreateAccessKey", user="left", when="after")
        self.lay(lab, page, "UpdateAccessKey", "DeleteAccessKey", user="ci")
        few: dict[str, Any] = {"aws_config": FEW_TRIES}
        run = controller.run(
            play(
                key_task("list", "list", max_age_days=0, **few),
                made("user", "user", max_age_days=0, **few),
                made("create", "create", **few),
                key_task("plain", "create", **few),
                made("left", "left", **few),
                key_task("off", "ci", access_key_id=old.access_key_id, active=False, **few),
                key_task("gone", "ci", access_key_id=off.access_key_id, state="absent", **few),
                key_task("module", "ci", task=SLOW_WAY, access_key_id=old.access_key_id, active=False, **few),
            ),
            "-vvv",
        ).ok()
        because = "its answer was cut short, or is not one of AWS's" if page == "broken" else NOT_AWS
        assert refusal(run, "list") == f"Could not list the access keys of user list: {because}"
        assert refusal(run, "user") == f"Could not read user user: {because}"
        for name, user in (("create", "create"), ("plain", "create"), ("left", "left")):
            said = refusal(run, name)
            assert said.startswith(
                f"No answer came to the request for a new access key of user {user}, and it is never"
            )
            assert because in said
        for name in ("off", "module"):
            assert (
                refusal(run, name) == f"Could not set access key {old.access_key_id} of user ci to Inactive: {because}"
            )
        assert refusal(run, "gone") == f"Could not delete access key {off.access_key_id} of user ci: {because}"
        assert [request.user for request in lab.requests("CreateAccessKey")] == ["create", "create", "left"]
        assert "half/of/an/answer" not in run.output and not [
            key for key in lab.state()["left"].keys if key.secret_access_key in run.output
        ]
        assert open_store(controller.cwd / STORE)[ENTRY]["create"]["asked"]["known"] == []

    def test_sts(self, lab: Lab, controller: Controller, page: str) -> None:
        """Before a key is made it stops the task; afterwards it is one answer that does not count."""
        lab.seed("ci")
        lab.seed("web")
        self.lay(lab, page, "GetCallerIdentity", user="web")
        run = controller.run(play(made(), made("web", "web", verify_timeout=1, aws_config=FEW_TRIES)))
        assert ok(run, "made")["stage"] == "current"
        assert refusal(run, "web", changed=True).startswith("STS did not accept access key ")
        lab.clear_faults()
        lab.seed("other")
        self.lay(lab, page, "GetCallerIdentity")
        lab.clear_requests()
        run = controller.run(play(made("other", "other", aws_config=FEW_TRIES)))
        assert "would accept no new key, so that none is made" in refusal(run, "other") and not writes(lab)


def test_a_half_read_list_is_no_list(lab: Lab, controller: Controller) -> None:
    """Without IsTruncated nobody knows whether there is more; a marker that stands still ends."""
    lab.seed("ci", Key(1))
    still = "<ListUsersResponse><ListUsersResult><Users/><IsTruncated>true</IsTruncated><Marker>a</Marker></ListUsersResult></ListUsersResponse>"
    lab.fault("foreign", "ListUsers", count=0, message=still)
    run = controller.run(play(info_task("look")))
    assert refusal(run, "look") == f"Could not list the users: {NOT_AWS}"
    assert actions(lab) == ["ListUsers"] * 2


# -- STS in its region -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_region_where_sts_is_off_stops_before_a_key_is_made(lab: Lab, controller: Controller, check: bool) -> None:
    lab.seed("ci", Key(100))
    off = "STS is not activated in this region for account:123456789012."
    lab.fault("error", "GetCallerIdentity", code="RegionDisabledException", status=403, message=off, count=0)
    run = controller.run(play(made(check=check)))
    said = refusal(run, "made")
    assert said.startswith("STS in region us-east-1 does not accept this run's own credentials")
    assert (
        "activate STS there (IAM console, Account settings), or set region to one where it is" in said and off in said
    )
    assert not writes(lab) and not (controller.cwd / STORE).exists()
    assert actions(lab).count("GetCallerIdentity") == 1


def test_a_rotation_where_sts_is_off_makes_no_key(lab: Lab, controller: Controller) -> None:
    """Neither in check mode nor in the run is anybody promised a key."""
    for name in ("ci", "web"):
        lab.seed(name, Key(100))
    lab.fault("error", "GetCallerIdentity", code="RegionDisabledException", status=403, count=0)
    given = {"rotation_users": ["*"], "rotation_vault_file": STORE, "rotation_verify_delay": 0}
    for check in (True, False):
        run = controller.run("keyturn.iam.rotate", check=check, extra_vars=given)
        assert run.rc != 0 and not writes(lab)
        assert "STS in region us-east-1 does not accept this run's own credentials" in run.output
        assert not (controller.cwd / STORE).exists()


def test_sts_is_asked_once_a_connection(lab: Lab, controller: Controller) -> None:
    """A loop's items have one connection: one question with the run's own key serves them all."""
    for name in ("one", "two", "three"):
        lab.seed(name)
    many = made("many", "{{ item }}", task={"loop": ["one", "two", "three"]})
    controller.run(play(many)).ok()
    asked = [request.user for request in lab.requests("GetCallerIdentity")]
    assert len(asked) == 10 and [asked.count(name) for name in ("one", "two", "three")] == [3, 3, 3]


def test_three_answers_half_a_second_apart_each_over_its_own_connection(lab: Lab, controller: Controller) -> None:
    lab.seed("ci")
    lab.settings(new_key_answers=[True, True, False])
    controller.run(play(made())).ok()
    asked = lab.requests("GetCallerIdentity", user="ci")
    assert [request.status for request in asked] == [200, 200, 403, 200, 200, 200]
    assert len({request.connection for request in asked}) == len(asked)
    assert all(later.at - earlier.at >= 0.5 for earlier, later in zip(asked, asked[1:], strict=False))


def test_names_differ_by_more_than_capitals(lab: Lab, controller: Controller) -> None:
    """IAM takes Ci and ci for one user; STS answers with the name as it was made."""
    user = lab.seed("Ci", Key(1))
    (key,) = user.keys
    waiting = {
        "other_keys": {key.access_key_id: {"secret_access_key": key.secret_access_key, "create_date": key.create_date}}
    }
    write_store(
        controller.cwd / STORE,
        {ENTRY: {"ci": {"account_id": user.account_id, "user_id": user.user_id, **waiting}}},
    )
    run = controller.run(play(made(access_key_id=key.access_key_id)))
    assert ok(run, "made")["stage"] == "current"


def test_what_sts_says_of_the_place_is_not_waited_for(lab: Lab, controller: Controller) -> None:
    lab.seed("ci")
    lab.fault("error", "GetCallerIdentity", user="ci", code="AccessDenied", status=403, count=0)
    run = controller.run(play(made(verify_timeout=60)))
    assert "STS cannot be asked for access key" in refusal(run, "made", changed=True) and run.seconds < 30
    assert [request.status for request in lab.requests("GetCallerIdentity", user="ci")] == [403]


# -- replicas --------------------------------------------------------------------------------------------------------


def test_a_user_made_a_second_ago(lab: Lab, controller: Controller) -> None:
    """GetUser knows it, the list of keys does not yet."""
    lab.seed("ci", age_days=0)
    lab.seed("web", age_days=0)
    gone: dict[str, Any] = {"code": "NoSuchEntity", "status": 404, "message": "The user cannot be found."}
    lab.fault("error", "ListAccessKeys", user="ci", count=2, **gone)
    lab.fault("error", "GetUser", user="web", count=2, **gone)
    run = controller.run(play(made("ci", "ci"), made("web", "web"), info_task("look", user_name=["ci", "web"])))
    assert ok(run, "ci")["stage"] == "current" == ok(run, "web")["stage"]
    assert [user["error"] for user in ok(run, "look")["users"]] == [None, None]


def test_a_user_that_is_not_there_is_said_at_once(lab: Lab, controller: Controller) -> None:
    run = controller.run(play(key_task("nobody", "nobody")))
    assert refusal(run, "nobody").startswith("There is no IAM user nobody")
    assert actions(lab) == ["ListAccessKeys", "GetUser"]


# -- dates -----------------------------------------------------------------------------------------------------------


def test_a_date_that_jumps_is_an_error(lab: Lab, controller: Controller) -> None:
    """Nothing is judged by it, and the secret of a key that was made is kept all the same."""
    lab.seed("ci", Key(100))
    lab.seed("new")
    lab.fault("date", "GetUser", user="ci", seconds=2 * 86400)
    lab.fault("date", "CreateAccessKey", user="new", seconds=-86400)
    run = controller.run(play(made(max_age_days=9), made("new", "new")))
    for name in ("made", "new"):
        said = refusal(run, name, changed=name == "new")
        assert said.startswith("AWS's answers give the time as 20") and "one of these dates is wrong" in said
    assert [request.user for request in writes(lab)] == ["new"]
    (key,) = lab.state()["new"].keys
    kept = open_store(controller.cwd / STORE)[ENTRY]["new"]["other_keys"]
    assert kept[key.access_key_id]["secret_access_key"] == key.secret_access_key


def test_a_wrong_date_makes_no_wait_longer_than_its_setting(lab: Lab, controller: Controller) -> None:
    """A key that IAM says was made in two days' time is verified within the verify_delay that was asked for."""
    (old,) = (user := lab.seed("ci", Key(100))).keys
    (new,) = lab.seed("other", Key(-2)).keys
    entry = entry_of(user, old)
    lab.delete_user("other")
    again = lab.add_key("ci", Key(-2))
    entry["other_keys"] = {
        again.access_key_id: {"secret_access_key": again.secret_access_key, "create_date": again.create_date}
    }
    assert new.create_date > old.create_date
    write_store(controller.cwd / STORE, {ENTRY: {"ci": entry}})
    run = controller.run(play(made(access_key_id=again.access_key_id, verify_delay=2)))
    assert ok(run, "made")["stage"] == "current" and run.seconds < 30
