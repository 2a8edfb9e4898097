# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: the rotation at work on an AWS account that exists on this machine only, for as long as this runs.

Real ansible-playbook, real Ansible Vault, real boto3; the account is tests/lab, a moto server that answers from any day.
Exits with 1 as soon as a step does not show what it says.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# As a script the folder of this file comes first; its modules are known by the folder above.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from controller.runner import default_collections  # noqa: E402 - found by the line above
from demo.account import STATUSES, VAULT_FILE, VAULT_PASSWORD, Account  # noqa: E402
from demo.service import Service  # noqa: E402
from demo.stage import Failed, Stage, expect  # noqa: E402
from lab.client import Lab, LabError  # noqa: E402

ROTATE = "ansible-playbook keyturn.iam.rotate -e @rotation.yml"
REPORT = "report.json"
SERVICE_FILE = "service.json"
FILES = {
    "vault-password": f"{VAULT_PASSWORD}\n",
    "ansible.cfg": """\
[defaults]
vault_password_file = vault-password
display_ok_hosts = false
display_skipped_hosts = false
localhost_warning = false
[inventory]
inventory_unparsed_warning = false
""",
    "rotation.yml": f"""\
rotation_users: ["*"]
rotation_exempt: [break-glass]
rotation_unused_days: 365
rotation_vault_file: {VAULT_FILE}
rotation_on_promoted: carry.yml   # tasks that bring a new key to where it is used
rotation_report_file: {REPORT}
rotation_verify_delay: 1          # this account is quick; AWS wants the default of 10 seconds
""",
    "carry.yml": f"""\
- name: Give the service the key of ci
  ansible.builtin.copy:
    content: "{{{{ lookup('keyturn.iam.access_key', 'ci') | to_json }}}}"
    dest: "{{{{ lookup('env', 'PWD') }}}}/{SERVICE_FILE}"
    mode: "0600"
  when: rotation_promoted.user_name == 'ci'
""",
}
ANSWERS = """\
- hosts: localhost
  gather_facts: false
  module_defaults:
    keyturn.iam.iam_access_key: {{vault_file: {vault_file}}}
  tasks:
    - name: jenkins was switched off by mistake
      keyturn.iam.iam_access_key: {{user_name: jenkins, id: {jenkins}, active: true}}
    - name: Nobody misses the old key of legacy-erp
      keyturn.iam.iam_access_key: {{user_name: legacy-erp, id: {legacy_erp}, active: false}}
    - name: vendor-x needs one key only
      keyturn.iam.iam_access_key: {{user_name: vendor-x, id: {vendor_x}, state: absent}}
    - name: old-website is history
      keyturn.iam.iam_access_key: {{user_name: old-website, id: {old_website}, state: absent}}
"""
REAL_FILE = """\
rotation_users: ["*"]                # or names and patterns: [ci, "vendor-*"]
rotation_exempt: [break-glass]
rotation_vault_file: iam-keys.yml    # the secrets, encrypted
"""
REAL_COMMANDS = """\
export AWS_PROFILE=... AWS_REGION=us-east-1
.venv/bin/ansible-playbook keyturn.iam.audit                      # reads only: everyone's keys
.venv/bin/ansible-vault create iam-keys.yml   # asks for a password twice; save it empty
.venv/bin/ansible-playbook keyturn.iam.rotate -e @rotation.yml --ask-vault-pass --check --diff
.venv/bin/ansible-playbook keyturn.iam.rotate -e @rotation.yml --ask-vault-pass
"""


class Show:
    """The steps, in order."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        environment = {
            **lab.env(),
            "ANSIBLE_COLLECTIONS_PATH": str(default_collections()),
            # Else the SDK looks for a machine's role at a link-local address, for seconds.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.folder = folder
        self.stage = Stage(folder, environment)
        self.lab = lab
        self.account = Account(lab, folder, self._rotate_quietly)
        self.service = Service(lab, folder / SERVICE_FILE)
        self.secrets: set[str] = set()

    def run(self) -> None:
        self.prepare()
        self.drift_report()
        self.answers()
        self.rotation()
        self.same_again()
        self.eight_days_later()
        self.forty_five_days_later()
        self.incidents()
        self.store()
        self.real_account()

    def prepare(self) -> None:
        stage = self.stage
        stage.text(
            "keyturn.iam replaces the access keys of IAM users before they grow old. A new key goes into an encrypted file and is tried "
            "out before anyone is to use it; the old one is switched off once nobody uses it any more, and deleted a month later."
        )
        stage.text(
            f"This is an AWS account with {len(STATUSES)} IAM users that exists on this machine only, at {self.lab.url}. Its last month is "
            "lived through first (a quarter of a minute) ..."
        )
        for name, content in FILES.items():
            (self.folder / name).write_text(content)
        (self.folder / "vault-password").chmod(0o600)
        self.account.live_until_today()
        self._remember_secrets()
        stage.text("Done. This is all that the rotation is told:")
        stage.show("cat rotation.yml")

    def drift_report(self) -> None:
        self.stage.heading("1. The drift report: what would a rotation do, and what needs a person?")
        self.lab.clear_requests()
        shown = self.stage.show(f"{ROTATE} --check --diff")
        statuses = {user["user_name"]: user["status"] for user in self._report()["users"]}
        for user_name, status in STATUSES.items():
            expect(statuses.get(user_name) == status, f"{user_name} is {statuses.get(user_name)}, not {status}")
        # A user that cannot be read may fail the run; nothing else may.
        expect(shown.rc == 0 or "vpn-sync: not done" in shown.output, f"the drift report ended with {shown.rc}")
        shown.expect("would make a new key", "would switch off", "16 users:")
        writes = {request.action for request in self.lab.requests() if not request.action.startswith(("Get", "List"))}
        expect(not writes, f"the drift report asked for {', '.join(sorted(writes))}")
        failed = " It ends as failed, because one user could not be read at all." if shown.rc else ""
        self.stage.remark(
            "Nothing was changed. ci and deploy are due for a new key, the old key of backup was replaced and is idle, the one of "
            "contractor nobody has used for over a year: that is for the rotation. The rest of the table is for people, and says what "
            f"they can do.{failed}"
        )

    def answers(self) -> None:
        stage, account, lab = self.stage, self.account, self.lab
        stage.heading("2. What people answer")
        stage.text(
            "An administrator permits GetAccessKeyLastUsed for vpn-sync, vendor-x moves to one of its two keys, and the other "
            "ways out are tasks, as the report has them:"
        )
        lab.allow_all()
        keys = {
            "jenkins": account.current_key("jenkins"),
            "legacy_erp": account.keys("legacy-erp")[0].access_key_id,
            "vendor_x": account.keys("vendor-x")[0].access_key_id,
            "old_website": account.current_key("old-website"),
        }
        (self.folder / "answers.yml").write_text(ANSWERS.format(vault_file=VAULT_FILE, **keys))
        stage.show("cat answers.yml")
        shown = stage.show("ansible-playbook answers.yml")
        shown.expect("changed=4", "failed=0")
        expect(shown.rc == 0, f"the tasks ended with {shown.rc}")
        expect("old-website" not in account.store(), "the entry of old-website was not removed")
        statuses = [key.status for name in ("jenkins", "legacy-erp", "vendor-x") for key in account.keys(name)]
        expect(statuses == ["Active", "Inactive", "Active", "Active"], f"the keys are {statuses}")

    def rotation(self) -> None:
        self.stage.heading("3. The rotation")
        self.stage.text(
            f"A service on this machine works with the key of ci, which it has in {SERVICE_FILE}: five requests a second from now on. "
            "This is how a new key gets there:"
        )
        self._start_service()
        self.stage.show("cat carry.yml")
        shown = self.stage.show(ROTATE)
        made = ["ci", "deploy", "vendor-x"]
        self._expect_done(shown.rc, create=made, deactivate=["backup", "contractor"])
        store = self.account.store()
        for user_name in made:
            newest = self.account.keys(user_name)[-1]
            entry = (store[user_name]["access_key_id"], store[user_name]["secret_access_key"])
            expect(
                entry == (newest.access_key_id, newest.secret_access_key),
                f"the store does not have the new key of {user_name}",
            )
        self.stage.remark(
            f"Three users have new keys. Each secret went from AWS's answer into the encrypted {VAULT_FILE}, was tried at STS, and only "
            "then became the current one. The old keys still work: their users have a week to move. The two idle keys are off."
        )
        self._expect_service_works(with_keys=2)
        self.stage.remark("The service of ci works with the new key already, and none of its requests has failed.")

    def same_again(self) -> None:
        self.stage.heading("4. The same again")
        shown = self.stage.show(f"{ROTATE} | tail -n 2")
        shown.expect("changed=0", "failed=0")
        self._expect_done(0)
        self.stage.remark("changed=0: there is nothing left to do today.")

    def eight_days_later(self) -> None:
        stage, account, lab = self.stage, self.account, self.lab
        stage.heading("5. Eight days later")
        stage.text("ci and vendor-x have moved to their new keys; one host of deploy still works with the old one.")
        lab.clock(days=8)
        account.work(
            "backup",
            "ci",
            "deploy",
            "etl",
            "grafana",
            "jenkins",
            "legacy-erp",
            "mailer",
            "terraform",
            "vendor-x",
            "vpn-sync",
        )
        account.work_with_old_key("deploy")
        in_use = account.keys("deploy")[0].access_key_id
        shown = stage.show(ROTATE)
        self._expect_done(
            shown.rc, create=["artifactory"], deactivate=["ci", "etl", "grafana", "vendor-x"], delete=["artifactory"]
        )
        shown.expect("blocked", in_use)
        expect(account.keys("deploy")[0].status == "Active", "a key in use was switched off")
        stage.remark(
            "The old keys that nobody uses any more are off (and can be switched on again for 30 days). deploy's is in use, so it stays "
            "on, and the report says where it is used. artifactory's leftover is deleted, and a new key made in its place."
        )

    def forty_five_days_later(self) -> None:
        stage, account, lab = self.stage, self.account, self.lab
        stage.heading("6. Forty-five days after the first rotation")
        stage.text("The last host of deploy has moved.")
        lab.clock(days=45)
        account.work(*(name for name, user in lab.state().items() if user.active and name != "break-glass"))
        shown = stage.show(ROTATE)
        deleted = ["backup", "ci", "contractor", "etl", "grafana", "legacy-erp", "vendor-x"]
        self._expect_done(shown.rc, create=["mailer"], deactivate=["artifactory", "deploy"], delete=deleted)
        self._expect_service_works(with_keys=2)
        self.service.end()
        for user_name in ("backup", "ci", "etl", "grafana", "vendor-x"):
            ids = [key.access_key_id for key in account.keys(user_name)]
            expect(ids == [account.current_key(user_name)], f"{user_name} has other keys")
        stage.remark(
            "What was switched off 30 days ago or more is deleted; ci is left with one key, 45 days old. deploy's old key is idle at "
            "last and goes the same way, and it is mailer's turn for a new key."
        )
        stage.remark(
            f"The service of ci has made {self.service.requests} requests from the day of its new key to the end of the old one, and none failed."
        )

    def incidents(self) -> None:
        stage, account = self.stage, self.account
        stage.heading("7. A consumer breaks, a key leaks")
        stage.text(
            "The key of deploy that was switched off today was in a job that runs once in two months; and grafana's key is on the internet."
        )
        shown = stage.show("ansible-playbook keyturn.iam.rollback -e @rotation.yml -e rotation_user_name=deploy --diff")
        shown.expect("changed=1", "failed=0")
        expect(
            [key.status for key in account.keys("deploy")] == ["Active", "Active"],
            "the old key of deploy is not in force",
        )
        leaked = account.current_key("grafana")
        shown = stage.show(f"ansible-playbook keyturn.iam.revoke -e @rotation.yml -e rotation_access_key_id={leaked}")
        shown.expect("Made 1 key", "failed=0")
        self._remember_secrets()
        expect([key.status for key in account.keys("grafana")] == ["Inactive", "Active"], "the leaked key still works")
        stage.remark(
            "deploy's old key works again beside the newer one, and the rotation leaves deploy alone for a week. grafana's key was off at once; "
            "its new key is in the store."
        )

    def store(self) -> None:
        self.stage.heading("8. The store: an Ansible Vault file that playbooks use as it is")
        shown = self.stage.show(f"head -n 2 {VAULT_FILE}")
        shown.expect("$ANSIBLE_VAULT;")
        shown = self.stage.show(
            f"ansible-vault view {VAULT_FILE} | grep -A 9 -E '^  (ci|deploy):' | sed '/secret/s/: .*/: (masked)/'"
        )
        shown.expect(self.account.current_key("ci"), self.account.current_key("deploy"), "(masked)", "hold_until")
        self.stage.remark(
            "A playbook lists the file in vars_files and reads {{ iam_access_keys['ci'].access_key_id }}."
        )

    def real_account(self) -> None:
        self._expect_no_secret()
        self.stage.heading("9. Your own account")
        self.stage.text("With a file rotation.yml of three lines:")
        self.stage.lines(REAL_FILE)
        self.stage.lines(REAL_COMMANDS)

    # -- behind the stage

    def _rotate_quietly(self, users: list[str], now: bool) -> None:
        variables: dict[str, Any] = {"rotation_users": users, "rotation_now": users if now else []}
        command = [*shlex.split(ROTATE), "-e", json.dumps(variables)]
        shown = self.stage.quietly(*command)
        failing = users == ["artifactory"]
        expect(
            (self.folder / VAULT_FILE).exists() and (failing or shown.rc == 0),
            f"the past of {users} went wrong:\n{shown.output}",
        )
        self._remember_secrets()

    def _report(self) -> Any:
        path = self.folder / REPORT
        report = json.loads(path.read_text())
        path.unlink()
        return report

    def _expect_done(self, rc: int, **wanted: list[str]) -> None:
        """The run before ended well and did this, by action and users, and nothing else."""
        self._remember_secrets()
        report = self._report()
        done: dict[str, list[str]] = {}
        for step in report["done"]:
            done.setdefault(step["action"], []).append(step["user_name"])
        # What was made was verified, too.
        verified = sorted(done.pop("verify", []))
        carried = sorted(done.pop("carry", []))
        expect(rc == 0, f"the rotation ended with {rc}")
        expect(not report["failures"], f"the rotation failed: {report['failures']}")
        expect(
            {action: sorted(users) for action, users in done.items()} == wanted,
            f"the rotation did {done}, not {wanted}",
        )
        expect(verified == carried == wanted.get("create", []), f"the rotation verified {verified}, carried {carried}")

    def _start_service(self) -> None:
        """With the key that ci has today, which nobody has stored yet."""
        key = self.account.keys("ci")[-1]
        pair = {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
        (self.folder / SERVICE_FILE).write_text(json.dumps(pair))
        self.service.start()

    def _expect_service_works(self, with_keys: int) -> None:
        time.sleep(1)  # for a few requests with what it has now
        expect(not self.service.failures, f"the service failed: {self.service.failures[:1]}")
        expect(len(self.service.used) == with_keys, f"the service has worked with {self.service.used}")

    def _remember_secrets(self) -> None:
        self.secrets |= self.account.secrets()

    def _expect_no_secret(self) -> None:
        for text in self.stage.heard:
            expect(not any(secret in text for secret in self.secrets), "a secret was shown")


def stop(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    signal.signal(signal.SIGTERM, stop)
    # The server reads them too, and would miss a profile that it cannot find.
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO_", "MOTO_"))]:
        del os.environ[name]
    began = time.monotonic()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        with tempfile.TemporaryDirectory(prefix="keyturn_demo_") as folder, Lab.start(new_key_refused_seconds=1) as lab:
            # For Ansible's own code in this process; else it makes itself a home in the user's.
            os.environ["ANSIBLE_HOME"] = str(Path(folder, "ansible"))
            Show(lab, Path(folder).resolve()).run()
    except KeyboardInterrupt:
        print("\nInterrupted; the account is gone.", file=sys.stderr)
        return 130
    except (Failed, LabError) as error:
        print(f"\nThe demonstration failed: {error}", file=sys.stderr)
        return 1
    print(f"That was {time.monotonic() - began:.0f} seconds. The account and its files are gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
