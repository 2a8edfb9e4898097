# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo-fleet`: three AWS accounts that exist on this machine only, rotated by one playbook that assumes a role in each.

The inventory and the playbook are those of docs/examples/fleet. Exits with 1 as soon as a step does not show what it says.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# As a script the folder of this file comes first; its modules are known by the folder above.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from controller.runner import default_collections  # noqa: E402 - found by the line above
from controller.store import open_store, vault_id_of  # noqa: E402
from demo.stage import Failed, Shown, Stage, expect  # noqa: E402
from lab.client import Lab, LabError  # noqa: E402
from lab.messages import Key, User  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "fleet"
ACCOUNTS = {"shop": "111111111111", "billing": "222222222222", "data": "333333333333"}
PASSWORDS = {host: f"the password of {host} in this demonstration" for host in ACCOUNTS}
USERS = {
    "shop": [
        User("ci", (Key(age_days=120, used_days=0.1, service="s3"),)),
        User("mailer", (Key(age_days=20, used_days=0.1, service="ses"),)),
    ],
    "billing": [
        User("ci", (Key(age_days=95, used_days=0.1, service="ecr"),)),
        User("erp", (Key(age_days=30, used_days=1, service="sqs"),)),
    ],
    # 60 days are the limit here, as its host variable says.
    "data": [
        User("ci", (Key(age_days=10, used_days=0.1, service="s3"),)),
        User("etl", (Key(age_days=70, used_days=0.1, service="glue"),)),
    ],
}
DUE = {"shop": ["ci"], "billing": ["ci"], "data": ["etl"]}
ROTATE = "ansible-playbook rotate.yml"
SUMMARY = "grep -e 'Made ' -e 'Would make ' reports/*.md"
ANSIBLE_CFG = f"""\
[defaults]
inventory = accounts.yml
forks = 3
vault_identity_list = {", ".join(f"{host}@passwords/{host}" for host in ACCOUNTS)}
display_ok_hosts = false
display_skipped_hosts = false
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
        self.lab = lab
        self.folder = folder
        self.stage = Stage(folder, environment)
        self.secrets: set[str] = set()

    def run(self) -> None:
        self.prepare()
        self.check()
        self.rotation()
        self.same_again()
        self.wrong_store()
        self.expect_no_secret()

    def prepare(self) -> None:
        stage = self.stage
        stage.text(
            "A fleet of accounts is an inventory: one host an account. The playbook assumes a role in each of them and rotates its "
            "access keys into a vault file of its own, with a password of its own."
        )
        for name in ("accounts.yml", "rotate.yml"):
            (self.folder / name).write_text((EXAMPLE / name).read_text())
        (self.folder / "ansible.cfg").write_text(ANSIBLE_CFG)
        for name in ("stores", "reports", "passwords"):
            (self.folder / name).mkdir()
        for host, password in PASSWORDS.items():
            path = self.folder / "passwords" / host
            path.write_text(f"{password}\n")
            path.chmod(0o600)
            self.lab.seed_users(USERS[host], ACCOUNTS[host])
        stage.text(f"These three exist on this machine only, at {self.lab.url}.")
        stage.show("cat accounts.yml rotate.yml")

    def check(self) -> None:
        self.stage.heading("1. What would a rotation do, in all three?")
        shown = self._rotate("--check")
        shown.expect("ci", "would make a new key")
        self._summary("Would make", DUE)
        expect(not self._writes(), f"the check asked for {self._writes()}")
        expect(not list((self.folder / "stores").iterdir()), "the check wrote a store")
        self.stage.remark("Each account's limit is its own: data's key of 70 days is due, since 60 days are its limit.")

    def rotation(self) -> None:
        self.stage.heading("2. The rotation")
        self._rotate("")
        self._summary("Made", DUE)
        for host, account_id in ACCOUNTS.items():
            self._expect_store(host, account_id)
        shown = self.stage.show("head -qn 1 stores/*.yml")
        shown.expect(*(f";{host}" for host in ACCOUNTS))
        self.stage.remark(
            "Three accounts, three stores. Each is encrypted with its account's own password: the vault id in its first line."
        )

    def same_again(self) -> None:
        self.stage.heading("3. The same again")
        self.lab.clear_requests()
        shown = self._rotate("| tail -n 4")
        expect(shown.output.count("changed=0") == len(ACCOUNTS), "a second run changed something")
        expect(not self._writes(), f"a second run asked for {self._writes()}")

    def wrong_store(self) -> None:
        self.stage.heading("4. A mistake: the credentials of billing, and the store of shop")
        store = self.folder / "stores" / f"{ACCOUNTS['shop']}.yml"
        before = store.read_bytes()
        self.lab.clear_requests()
        command = f"{ROTATE} --limit billing -e rotation_vault_file=stores/{store.name}"
        shown = self.stage.show(command)
        expect(shown.rc == 2, f"the run ended with {shown.rc}")
        words = " ".join(shown.output.split())
        sentence = f"belong to account {ACCOUNTS['shop']}, but these credentials are for account {ACCOUNTS['billing']}"
        expect(sentence in words, f"the run does not say: {sentence}")
        expect(not self._writes(), f"the run asked for {self._writes()}")
        expect(store.read_bytes() == before, "the store was written")
        self.stage.remark(
            "Refused, although both have a user ci: each entry knows its account. No request that writes was sent."
        )

    # -- behind the stage

    def _rotate(self, arguments: str) -> Shown:
        shown = self.stage.show(f"{ROTATE} -e rotation_verify_delay=1 {arguments}".strip())
        expect(shown.rc == 0, f"the run ended with {shown.rc}")
        self._remember_secrets()
        return shown

    def _summary(self, verb: str, due: dict[str, list[str]]) -> None:
        """What the three reports say, each of its account."""
        self.stage.show(SUMMARY).expect(*(f"reports/{host}.md:" for host in ACCOUNTS))
        for host, users in due.items():
            says = f"{verb} {len(users)} key"
            report = (self.folder / "reports" / f"{host}.md").read_text()
            expect(ACCOUNTS[host] in report and says in report, f"the report of {host} does not say: {says}")

    def _expect_store(self, host: str, account_id: str) -> None:
        """The store has the new keys of this account, and nothing of another."""
        entries = self._store(account_id)
        users = self.lab.state(account_id)
        expect(sorted(entries) == DUE[host], f"the store of {host} has {sorted(entries)}")
        expect(
            vault_id_of(self._path(account_id)) == host,
            f"the store of {host} is encrypted for {vault_id_of(self._path(account_id))}",
        )
        for user_name, entry in entries.items():
            newest = users[user_name].keys[-1]
            kept = (entry["account_id"], entry["user_id"], entry["access_key_id"], entry["secret_access_key"])
            true = (account_id, users[user_name].user_id, newest.access_key_id, newest.secret_access_key)
            expect(kept == true, f"the store of {host} does not have the new key of {user_name}")

    def _path(self, account_id: str) -> Path:
        return self.folder / "stores" / f"{account_id}.yml"

    def _store(self, account_id: str) -> dict[str, Any]:
        return dict(open_store(self._path(account_id), PASSWORDS)["iam_access_keys"])

    def _writes(self) -> list[str]:
        """What was asked since the last look that is not reading, or getting credentials."""
        return [
            request.action
            for request in self.lab.requests()
            if not request.action.startswith(("Get", "List", "AssumeRole"))
        ]

    def _remember_secrets(self) -> None:
        for account_id in ACCOUNTS.values():
            self.secrets |= {key.secret_access_key for user in self.lab.state(account_id).values() for key in user.keys}

    def expect_no_secret(self) -> None:
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
        with tempfile.TemporaryDirectory(prefix="keyturn_demo_") as folder, Lab.start() as lab:
            # For Ansible's own code in this process; else it makes itself a home in the user's.
            os.environ["ANSIBLE_HOME"] = str(Path(folder, "ansible"))
            Show(lab, Path(folder).resolve()).run()
    except KeyboardInterrupt:
        print("\nInterrupted; the accounts are gone.", file=sys.stderr)
        return 130
    except (Failed, LabError) as error:
        print(f"\nThe demonstration failed: {error}", file=sys.stderr)
        return 1
    print(f"That was {time.monotonic() - began:.0f} seconds. The accounts and their files are gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
