# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which does the work on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_report
short_description: Print what a rotation of access keys does or would do, and write it to a file
version_added: 0.1.0
description:
  - Prints the IAM users whose access keys need something, and totals. Those that need a person stand apart from those
    for whom something is or would be done, and from those that wait.
  - It is as wide as the terminal (or as the environment variable C(COLUMNS) says), 100 columns where there is none and
    72 at least, and has colours where Ansible has.
  - Users with nothing to do are counted and not listed. Where more than 30 are to be listed, those of whom the same is
    said are told by one of them. C(-v) lists all.
  - A sentence stands in the row of the key that it is about, and what a person can do on lines of its own below, whole,
    so that it can be pasted.
  - Writes the same as JSON, CSV, Markdown, HTML or for Prometheus, where O(report_file) is set.
  - Makes a text for each owner of users, for mails or a chat (RV(notices)).
  - The report holds no secret.
options:
  info:
    description:
      - The result of M(keyturn.iam.iam_access_key_info).
    type: dict
    required: true
  decisions:
    description:
      - What P(keyturn.iam.rotation_plan#filter) made of it.
      - These may be the decisions from before the actions were carried out, or from a second look afterwards.
      - Of decisions that were made otherwise, C(user_name) and C(status) are needed. Without C(about), a sentence
        stands beside the current key; C(remedies), C(rules) and C(owner) may be left out.
    type: list
    elements: dict
    required: true
  results:
    description:
      - What came of the actions that were carried out.
      - In a run that is not in check mode, an action of O(decisions) without a result is shown as still to do.
    type: list
    elements: dict
    default: []
    suboptions:
      action:
        description:
          - The action, as it stands in a decision.
        type: dict
        required: true
      changed:
        description:
          - Whether it changed something.
        type: bool
        default: false
      failed:
        description:
          - Whether it failed.
        type: bool
        default: false
      msg:
        description:
          - Why it failed.
        type: str
      access_key_id:
        description:
          - The key that was made, or acted on.
        type: str
  policy:
    description:
      - The policy that was given to P(keyturn.iam.rotation_plan#filter).
      - Its C(max_age_days), 90 where it is left out, tells which V(unmanaged) users are drift.
    type: dict
    default: {}
  report_file:
    description:
      - Write the report to this file too, in the form that its ending names, which is V(.json), V(.md), V(.html),
        V(.csv) or V(.prom) (for node_exporter's textfile collector).
      - A relative path counts from the folder in which C(ansible-playbook) was started. The folder has to exist.
      - It is written in check mode too, and replaced at once.
    type: path
  check:
    description:
      - Whether nothing was carried out, so that the report says what would happen.
      - By default that is so in check mode.
    type: bool
  show_all:
    description:
      - List every key of every user, those with nothing to do too.
      - A V(.json) and a V(.csv) file always have them. A V(.html) file has them folded in, and unfolded with this.
      - The screen lists them with C(-v), too.
    type: bool
    default: false
  key_ids:
    description:
      - Have the ids of the access keys as labels in a V(.prom) file. Each new key is another series then.
    type: bool
    default: false
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Changes nothing. The file is written in check mode too.
  connection:
    support: none
  delegation:
    support: none
  diff_mode:
    support: none
  platform:
    support: full
    platforms: all
seealso:
  - module: keyturn.iam.iam_access_key_info
  - plugin: keyturn.iam.rotation_plan
    plugin_type: filter
author:
  - keyturn contributors (@keyturn)
"""

EXAMPLES = r"""
- name: Look at the keys of everyone
  keyturn.iam.iam_access_key_info:
  register: keys

- name: Show which keys are too old, and keep that for a ticket
  keyturn.iam.rotation_report:
    info: "{{ keys }}"
    decisions: "{{ keys | keyturn.iam.rotation_plan({'max_age_days': 60}) }}"
    policy:
      max_age_days: 60
    check: true
    report_file: access-keys.md
"""

RETURN = r"""
decisions:
  description: The decisions that are reported.
  returned: always
  type: list
  elements: dict
done:
  description: What was done. Empty in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: One of V(create), V(verify), V(deactivate), V(delete).
      type: str
      returned: always
    user_name:
      description: Whose key.
      type: str
      returned: always
    access_key_id:
      description: Which key; of V(create) the new one.
      type: str
      returned: always
failures:
  description: The actions that failed (in check mode those that would), and the users whose status is V(error).
  returned: always
  type: list
  elements: dict
  contains:
    user_name:
      description: Whose key.
      type: str
      returned: always
    action:
      description: The action that failed; null for a user whose status is V(error).
      type: str
      returned: always
    msg:
      description: Why.
      type: str
      returned: always
totals:
  description:
    - The number of C(users), the number of users of each status, and the number of keys that were C(made), C(verified),
      C(carried), C(switched_off) and C(deleted), in check mode those that would be.
    - C(verified) counts the keys of an earlier run, not those that this one made. C(failed) is the length of
      RV(failures).
  returned: always
  type: dict
  sample:
    users: 14
    due: 3
    retire: 1
    blocked: 1
    grace: 2
    compliant: 6
    exempt: 1
    made: 3
    verified: 0
    carried: 0
    switched_off: 1
    deleted: 0
    failed: 0
drift:
  description:
    - The names of the users that are not as the policy wants them.
    - They have one of the statuses V(error), V(gone), V(leftover), V(due), V(uncarried), V(broken), V(unused),
      V(blocked), V(retire), or V(unmanaged) with an Active key older than C(max_age_days).
  returned: always
  type: list
  elements: str
notices:
  description:
    - A text for each owner (C(owner) of the decisions) with a user whose status is V(due_soon), V(due), V(blocked),
      V(grace) or V(uncarried), by name.
    - Users of these statuses that have no owner come last, in one notice whose C(owner) is null.
    - Empty where no user has an owner.
  returned: always
  type: list
  elements: dict
  contains:
    owner:
      description: The owner, or null.
      type: str
      returned: always
    subject:
      description: One line, with the account and the number of users of each status.
      type: str
      returned: always
      sample: "Access keys of account 123456789012: 1 blocked, 2 in grace"
    text:
      description: What is so of each user, what happens, and what can be done, as plain text.
      type: str
      returned: always
    users:
      description: The names of these users.
      type: list
      elements: str
      returned: always
report_file:
  description: The file that was written, with its whole path; null where none was asked for.
  returned: always
  type: str
"""
