# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a decision tells a person to do can be pasted into a playbook as it is, and does what it says."""

from __future__ import annotations

from typing import Any

from integration.helpers import play
from lab.client import Lab
from lab.playbook import Controller, entry_of, open_store, stored, write_store
from lab.shapes import Key

STORE = "store.yml"
GONE = "AKIAGONE000000000000"


def decisions(controller: Controller) -> dict[str, dict[str, Any]]:
    look = {
        "name": "Look",
        "keyturn.iam.iam_access_key_info": {"user_name": "*", "vault_file": STORE},
        "register": "seen",
    }
    show = {"name": "Plan", "ansible.builtin.debug": {"msg": "{{ seen | keyturn.iam.rotation_plan }}"}}
    plan = controller.run(play(look, show)).ok().result("Plan")["msg"]
    return {decision["user_name"]: decision for decision in plan}


def test_what_a_remedy_says_its_task_does(lab: Lab, controller: Controller) -> None:
    beside = lab.seed("beside", Key(20, used_days=1), Key(10))
    broken = lab.seed("broken", Key(20, "Inactive", used_days=2))
    departed = lab.seed("departed", Key(20, used_days=1))
    held = lab.seed("held", Key(20, used_days=1))
    parked = lab.seed("parked", Key(200, "Inactive"), Key(20, used_days=1))
    entries = {
        "beside": entry_of(beside, beside.keys[0]),
        "broken": entry_of(broken, broken.keys[0]),
        "departed": entry_of(
            departed, departed.keys[0], other_keys={GONE: {**stored(departed.keys[0]), "promote_date": "2026-01-01"}}
        ),
        "held": entry_of(held, held.keys[0], hold_until="2999-01-01T00:00:00+00:00"),
        "parked": entry_of(parked, parked.keys[1]),
    }
    write_store(controller.cwd / STORE, {"iam_access_keys": entries})
    before = decisions(controller)
    assert {name: decision["status"] for name, decision in before.items()} == {
        **dict.fromkeys(("beside", "departed", "parked"), "compliant"),
        "broken": "broken",
        "held": "held",
    }

    tasks = [remedy["task"] for decision in before.values() for remedy in decision["remedies"] if "task" in remedy]
    assert len(tasks) == 5
    assert controller.run(play(*tasks)).ok().changed == 5

    after = decisions(controller)
    assert {name: decision["status"] for name, decision in after.items()} == {
        **dict.fromkeys(("broken", "departed", "held", "parked"), "compliant"),
        "beside": "grace",
    }
    assert [remedy for decision in after.values() for remedy in decision["remedies"]] == []
    state, kept = lab.state(), open_store(controller.cwd / STORE)["iam_access_keys"]
    assert {name: [key.status for key in state[name].keys] for name in state} == {
        **{name: ["Active"] for name in ("broken", "departed", "held", "parked")},
        "beside": ["Active", "Inactive"],
    }
    assert list(kept["beside"]["other_keys"]) == [beside.keys[1].access_key_id]
    assert "other_keys" not in kept["departed"] and "hold_until" not in kept["held"]
    # What was done is not asked for again, and does nothing the second time but for what is a person's word.
    assert controller.run(play(*(task for task in tasks if "stage" not in str(task)))).ok().changed == 0
