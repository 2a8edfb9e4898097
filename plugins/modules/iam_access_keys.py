#!/usr/bin/python
# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_access_keys
short_description: Access keys of many IAM users, side by side
version_added: 0.1.0
description:
  - Does for each item of a list what M(keyturn.iam.iam_access_key) does for one access key, many at a time, in one
    task.
  - All that the module promises holds for each item. One that fails does not stop the others; the task fails at its end
    and names those that failed.
  - The items of one user are worked on in their order, those of different users in none.
  - With O(vault_file) the secret of a new key is in the synced file before anything else is done for its user.
    Entries that are ready at the same time are one write.
  - What has to be waited for, O(verify_delay) and the time between the answers of STS, passes once for all.
options:
  access_keys:
    description:
      - The items. Each is a mapping with options of M(keyturn.iam.iam_access_key), under the same names and aliases.
        Options of the connection (such as O(profile) or O(region)) stand beside the list.
      - What an item leaves out is taken from the option of that name beside the list. Null takes neither.
      - An unknown option, options that make no sense together, and two items for one user that contradict each other
        (the same key absent and Active, say) fail the task before anything is done.
    type: list
    elements: dict
    required: true
  max_concurrency:
    description: So many requests at a time. When AWS throttles one, all of them slow down together.
    type: int
    default: 16
extends_documentation_fragment:
  - keyturn.iam.access_key
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
    description: Sends no request that writes, and predicts what a real run does or why it would fail, as far as reading
      can show.
  diff_mode:
    support: full
    description: Shows for each item the user's access keys with status and stage before and after, without a secret.
notes:
  - Each option beside O(access_keys) and O(max_concurrency) is the default for all items.
  - Another run that uses the same O(vault_file) has its turn every few seconds.
  - Ctrl-C, SIGTERM and the task keyword C(timeout) end the task once what was sent has been answered and stored.
    Items that were not begun failed then, and say so.
  - Runs in the controller's process where it would run on the controller anyway.
    The variable C(keyturn_in_process), set to V(false), has a module process instead.
  - A result that holds a secret is censored on screen; the registered variable keeps it.
  - With C(async) all results are censored. M(ansible.builtin.async_status) knows nothing of secrets, so give its task
    C(no_log) after C(poll=0).
seealso:
  - module: keyturn.iam.iam_access_key
  - module: keyturn.iam.iam_access_key_info
author:
  - keyturn contributors (@keyturn)
"""

EXAMPLES = r"""
- name: Each of these users has an access key that is at most 90 days old, its secret in the vault
  keyturn.iam.iam_access_keys:
    access_keys:
      - user_name: ci-build
      - user_name: backup
        max_age_days: 30
    max_age_days: 90
    vault_file: group_vars/all/iam_keys.yml

- name: Two keys that nobody needs any more are off, unless they were used within a month
  keyturn.iam.iam_access_keys:
    access_keys:
      - user_name: ci
        access_key_id: AKIAIOSFODNN7EXAMPLE
      - user_name: web
        access_key_id: AKIAI44QH8DHBEXAMPLE
    active: false
    min_idle_days: 30
  register: switched_off
  ignore_errors: true

- name: Say which ones were not switched off, and why
  ansible.builtin.debug:
    msg: "{{ item.item.user_name }}: {{ item.msg }}"
  loop: "{{ switched_off.results | select('failed') }}"
  loop_control:
    label: "{{ item.item.user_name }}"
"""

RETURN = r"""
results:
  description:
    - What became of each item, in the order of the list, as M(keyturn.iam.iam_access_key) returns it.
    - An item that failed has C(failed) and C(msg), and what was done before it failed.
  returned: when the items make sense
  type: list
  elements: dict
  contains:
    item:
      description: The item, as the task has it, without nulls.
      type: dict
      sample: {"user_name": "ci"}
    changed:
      description: Whether something was, or in check mode would be, done for it.
      type: bool
    failed:
      description: Whether it failed.
      returned: when it did
      type: bool
    msg:
      description: Why it failed.
      returned: when it did
      type: str
    access_key:
      description: The access key that satisfies the item, see M(keyturn.iam.iam_access_key).
      returned: when there is one
      type: dict
    secret_access_key:
      description: The secret of the new key. AWS shows it this once.
      returned: when a key was made and O(vault_file) is not set
      type: str
    deleted_access_key_id:
      description: The access key that was deleted.
      returned: when one was deleted
      type: str
    vault_file:
      description: The store that keeps the secret.
      returned: when O(vault_file) is set
      type: str
    stage:
      description: The key's stage in the store, C(next), C(current) or C(previous).
      returned: when the store has the key's secret
      type: str
diff:
  description: For each item the user's access keys with status and stage, before and after.
  returned: in diff mode
  type: list
  elements: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.module_utils._connection import connect
from ansible_collections.keyturn.iam.plugins.module_utils._errors import NO_STORE_FROM_AFAR, KeyturnError
from ansible_collections.keyturn.iam.plugins.module_utils._wishes import wishes


def main() -> None:
    module = AnsibleAWSModule(argument_spec=_argspec.ACCESS_KEYS, supports_check_mode=True)
    try:
        found = wishes(module.params, module.no_log_values)
        if any(wish.params["vault_file"] for wish in found):
            module.fail_json(msg=NO_STORE_FROM_AFAR)
        result = _result.of_no_items()
        if found:
            iam = connect(module, module.params["max_concurrency"])
            result = _result.access_keys(found, iam, module.check_mode, module._diff)
    except KeyturnError as error:
        _result.fail(module, error)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
