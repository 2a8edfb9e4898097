#!/usr/bin/python
# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_access_key_info
short_description: The access keys of IAM users with their age and last use
version_added: 0.1.0
description:
  - Lists the access keys of one, some or all users of an account, with age and last use, and with O(vault_file) what
    the store knows of them.
  - What could not be read is said to be unknown, never taken for absent.
options:
  user_name:
    description:
      - Names of users, or patterns such as V(ci-*). One or a list; a name with a comma must be given as a list.
      - Capitals make no difference, as in IAM.
      - Without it, O(path_prefix) and O(access_key_id), every user is looked at.
    type: list
    elements: str
    aliases: [username]
  path_prefix:
    description: Only users whose path begins so, such as V(/machines/).
    type: str
  access_key_id:
    description: The user who owns this access key, with all keys. Cannot be combined with O(user_name) and
      O(path_prefix).
    type: str
    aliases: [id]
  status:
    description: Return only access keys with this status.
    type: str
    choices: [Active, Inactive, Expired]
  min_age_days:
    description: Return only access keys that are at least so many days old.
    type: float
  min_idle_days:
    description: Return only access keys that were not used for so many days. A key whose last use is not known is left
      out.
    type: float
  last_used:
    description: Read when each access key was last used. Costs one request a key.
    type: bool
    default: true
  tags:
    description: Read the users' tags. Costs one request a user.
    type: bool
    default: false
  quarantined:
    description:
      - Find out which users AWS has quarantined, because one of their keys was found in public.
      - Costs one request an account, and one more for each quarantine policy that is attached to somebody.
    type: bool
    default: true
  vault_file:
    description:
      - Add what the store in this Ansible Vault file knows. A relative path counts from the folder in which
        ansible-playbook was started.
      - A task with this option runs in the controller's process, and is refused with a remote connection, C(become) or
        C(async).
    type: path
  max_concurrency:
    description: How many requests may be under way at once.
    type: int
    default: 16
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
    description: Only reads, in check mode too.
  diff_mode:
    support: none
    description: Changes nothing.
notes:
  - AWS records the last use of an access key with a delay of hours.
seealso:
  - module: keyturn.iam.iam_access_key
  - plugin: keyturn.iam.rotation_plan
    plugin_type: filter
author:
  - keyturn contributors (@keyturn)
"""

EXAMPLES = r"""
- name: All access keys of the account
  keyturn.iam.iam_access_key_info:
  register: all_keys

- name: Active access keys older than 90 days
  keyturn.iam.iam_access_key_info:
    status: Active
    min_age_days: 90
  register: old_keys

- name: The machines' keys, and what the store knows of them
  keyturn.iam.iam_access_key_info:
    user_name: ["ci-*", backup]
    vault_file: group_vars/all/iam_keys.yml
  register: look

- name: Who is quarantined by AWS, because a key was found in public?
  keyturn.iam.iam_access_key_info:
    last_used: false
  register: quarantine

- name: Name them
  ansible.builtin.debug:
    msg: "{{ quarantine.users | selectattr('quarantined') | map(attribute='user_name') }}"

- name: Whose key is this?
  keyturn.iam.iam_access_key_info:
    access_key_id: AKIAIOSFODNN7EXAMPLE
  register: owner
"""

RETURN = r"""
access_keys:
  description: The access keys, ordered by user, then by creation.
  returned: success
  type: list
  elements: dict
  contains:
    user_name:
      description: The user whose key it is.
      type: str
      sample: ci
    access_key_id:
      description: The id of the access key.
      type: str
      sample: AKIAIOSFODNN7EXAMPLE
    status:
      description: C(Active) or C(Inactive), or another status that IAM may give.
      type: str
      sample: Active
    create_date:
      description: When AWS made it, ISO 8601.
      type: str
      sample: "2026-11-24T04:00:00+00:00"
    age_days:
      description: Its age in days at RV(now).
      type: float
      sample: 120.25
    last_used_date:
      description: When it was last used, null for never or where that is not known.
      type: str
      sample: "2026-11-23T19:30:00+00:00"
    last_used_service:
      description: The AWS service that it was last used for.
      type: str
      sample: s3
    last_used_region:
      description: The region that it was last used in.
      type: str
      sample: eu-west-1
    last_used_known:
      description: False where the last use could not be read, or was not asked for.
      type: bool
      sample: true
    idle_days:
      description: Days since the last use, else since the creation; null where the last use is not known.
      type: float
      sample: 0.35
    stage:
      description: The key's stage in the store, C(next), C(current), C(previous) or null.
      type: str
      sample: current
    deactivate_date:
      description: When this collection switched it off, as the store has it, else null.
      type: str
    stored:
      description: Whether its secret is in the store; null without O(vault_file).
      type: bool
      sample: true
users:
  description: The users, those without access keys too.
  returned: success
  type: list
  elements: dict
  contains:
    user_name:
      description: The user's name.
      type: str
      sample: ci
    user_id:
      description: The user's unique id.
      type: str
      sample: AIDACKCEVSQ6C2EXAMPLE
    path:
      description: The user's path.
      type: str
      sample: /machines/
    arn:
      description: The user's ARN.
      type: str
      sample: arn:aws:iam::123456789012:user/machines/ci
    create_date:
      description: When the user was made, ISO 8601.
      type: str
      sample: "2024-02-01T09:00:00+00:00"
    tags:
      description: The user's tags; null unless O(tags) is set.
      type: dict
    quarantined:
      description:
        - The name of the policy by which AWS has quarantined the user, such as C(AWSCompromisedKeyQuarantineV3),
          because one of the user's keys was found in public. Null where there is none.
        - Null too without O(quarantined), and where C(iam:ListPolicies) or C(iam:ListEntitiesForPolicy) is not
          permitted. It then says nothing.
        - Where reading it fails otherwise, that is the RV(users[].error) of each user.
      type: str
      sample: AWSCompromisedKeyQuarantineV3
    error:
      description: What could not be read of this user, else null.
      type: str
    store:
      description:
        - What the store knows of the user, null where it has no entry. Dates and ids, no secret.
        - C(account_id), C(user_id), C(access_key_id) (of the current key), C(create_date), C(promote_date),
          C(carry_date), C(deactivate_date), C(asked), C(hold_until), C(other_keys) (by access key id) and C(stored)
          (whether a secret is there).
      type: dict
    lost_keys:
      description:
        - Keys of the user that the store had and has no more, because another hand has overwritten it (an editor, a
          restored copy).
        - C(vault_file) is the predecessor beside it that has the secret. Each is a warning too.
      type: list
      elements: dict
      returned: with O(vault_file), where there is one
account:
  description: The account.
  returned: success
  type: dict
  contains:
    account_id:
      description: The account's id.
      type: str
      sample: "123456789012"
    partition:
      description: The account's partition.
      type: str
      sample: aws
    root_access_key_present:
      description: Whether the root user has an access key; null where reading that is denied.
      type: bool
      sample: false
    access_keys_quota:
      description: How many access keys a user may have; null where reading that is denied.
      type: int
      sample: 2
    signing_access_key_id:
      description: The access key that signed this task's requests.
      type: str
      sample: AKIAI44QH8DHBEXAMPLE
now:
  description: The time by AWS's clock to which ages refer, ISO 8601.
  returned: success
  type: str
  sample: "2026-11-24T04:00:00+00:00"
vault_file:
  description: Where the store is, as O(vault_file) names it, so that a task that P(keyturn.iam.rotation_plan#filter)
    proposes can name it too.
  returned: with O(vault_file)
  type: str
  sample: group_vars/all/access_keys.yml
store_only:
  description: This account's entries of the store that fit no user; only where every user was looked at.
  returned: success
  type: list
  elements: dict
  contains:
    user_name:
      description: The name under which the store has them.
      type: str
      sample: gone
    user_id:
      description: The id of the user that had these keys.
      type: str
      sample: AIDACKCEVSQ6C2EXAMPLE
    access_key_ids:
      description: The access keys that the store knows.
      type: list
      elements: str
      sample: [AKIAIOSFODNN7EXAMPLE]
complete:
  description: Whether all keys of each user are shown with their last use, which P(keyturn.iam.rotation_plan#filter)
    needs.
  returned: success
  type: bool
  sample: true
"""

from functools import partial

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.module_utils._connection import connect
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=_argspec.INFO, mutually_exclusive=_argspec.INFO_EXCLUSIVE, supports_check_mode=True
    )
    if module.params["vault_file"]:
        module.fail_json(msg="vault_file needs the controller's process: only there can Ansible Vault be opened")
    try:
        result = _result.access_key_info(module.params, partial(connect, module))
    except KeyturnError as error:
        _result.fail(module, error)
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
