#!/usr/bin/python
# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_access_key
short_description: A user's access key, declaratively, with its secret in Ansible Vault
version_added: 0.1.0
description:
  - Makes, switches on and off, and deletes the access keys of an IAM user.
  - Without O(access_key_id), O(state=present) means that the user has an Active access key that satisfies the task;
    otherwise one is made.
  - With O(vault_file) the secret of a new key goes straight into an Ansible Vault file on the controller and into no
    task result. The key waits there as C(next) until STS accepts it, and only then becomes C(current), which is what
    consumers read.
  - A request for a new key is sent once. Where its outcome stays unknown the task fails and says what may have been
    left.
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
    description: Shows the user's access keys before and after, a line for each with its status and stage, without a
      secret.
notes:
  - Runs in the controller's process where it would run on the controller anyway.
    The variable C(keyturn_in_process), set to V(false), has a module process instead.
  - A result that holds a secret is censored on screen; the registered variable keeps it.
  - With C(async) all results are censored. M(ansible.builtin.async_status) knows nothing of secrets, so give its task
    C(no_log) after C(poll=0).
seealso:
  - module: keyturn.iam.iam_access_key_info
  - module: amazon.aws.iam_access_key
author:
  - keyturn contributors (@keyturn)
"""

EXAMPLES = r"""
- name: The CI user has an access key that is at most 90 days old, its secret in the vault
  keyturn.iam.iam_access_key:
    user_name: ci
    max_age_days: 90
    vault_file: group_vars/all/iam_keys.yml

# Ansible reads vars_files and group_vars once a run. What has changed since then is read with include_vars.
- name: Read the store as it is now
  ansible.builtin.include_vars: group_vars/all/iam_keys.yml

- name: Use it
  ansible.builtin.debug:
    msg: "{{ iam_access_keys['ci'].access_key_id }}"

- name: Switch an old access key off, unless it was used within a week
  keyturn.iam.iam_access_key:
    user_name: ci
    access_key_id: AKIAIOSFODNN7EXAMPLE
    active: false
    min_idle_days: 7

- name: Delete it
  keyturn.iam.iam_access_key:
    user_name: ci
    access_key_id: AKIAIOSFODNN7EXAMPLE
    state: absent

- name: Put the previous access key of another user back in force, and leave it so for a week
  keyturn.iam.iam_access_key:
    user_name: web
    access_key_id: AKIAI44QH8DHBEXAMPLE
    stage: current
    hold_days: 7
    vault_file: group_vars/all/iam_keys.yml

- name: Take a key that a person made into the store
  keyturn.iam.iam_access_key:
    user_name: vendor
    access_key_id: AKIAJ7EXAMPLEEXAMPLE
    secret_access_key: "{{ vendor_secret }}"
    vault_file: group_vars/all/iam_keys.yml

- name: The vendor has put the new key into their console
  keyturn.iam.iam_access_key:
    user_name: vendor
    carried: true
    vault_file: group_vars/all/iam_keys.yml

- name: A key for one use, without a store
  keyturn.iam.iam_access_key:
    user_name: vendor
    max_age_days: 0
    at_limit: delete_inactive
  register: vendor_key
"""

RETURN = r"""
access_key:
  description: The access key that satisfies the task; in check mode what is known of it.
  returned: when there is one
  type: dict
  contains:
    access_key_id:
      description: The id of the access key.
      type: str
      sample: AKIAIOSFODNN7EXAMPLE
    user_name:
      description: The user whose key it is.
      type: str
      sample: ci
    status:
      description: C(Active) or C(Inactive), or another status that IAM may give.
      type: str
      sample: Active
    create_date:
      description: When AWS made it, ISO 8601.
      type: str
      sample: "2026-11-24T04:00:00+00:00"
secret_access_key:
  description: The secret of the new key. AWS shows it this once.
  returned: when a key was made and O(vault_file) is not set
  type: str
deleted_access_key_id:
  description: The access key that was deleted, by O(state=absent) or to make room.
  returned: when one was deleted
  type: str
  sample: AKIAI44QH8DHBEXAMPLE
vault_file:
  description: The store that keeps the secret.
  returned: when O(vault_file) is set
  type: str
  sample: group_vars/all/iam_keys.yml
stage:
  description: The key's stage in the store, C(next), C(current) or C(previous).
  returned: when the store has the key's secret
  type: str
  sample: current
diff:
  description:
    - The user's access keys before and after, as lines of text that Ansible compares.
    - C(before) and C(after) have a line for each key with its id, status and stage, and one for a hold. In check mode a
      key that would be made is C(a new key).
  returned: in diff mode
  type: dict
  sample:
    before_header: access keys of ci
    after_header: access keys of ci
    before: "AKIAIOSFODNN7EXAMPLE  Active, current\n"
    after: "AKIAIOSFODNN7EXAMPLE  Active, current\na new key  Active, next\n"
"""

from functools import partial

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.module_utils._connection import connect
from ansible_collections.keyturn.iam.plugins.module_utils._errors import NO_STORE_FROM_AFAR, KeyturnError


def main() -> None:
    module = AnsibleAWSModule(argument_spec=_argspec.ACCESS_KEY, supports_check_mode=True)
    if module.params["vault_file"]:
        module.fail_json(msg=NO_STORE_FROM_AFAR)
    try:
        result = _result.access_key(module.params, partial(connect, module), module.check_mode, module._diff)
    except KeyturnError as error:
        _result.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
