# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: access_key
short_description: A user's access key from the store, as it is now
version_added: 0.1.0
description:
  - Reads the Ansible Vault file in which M(keyturn.iam.iam_access_key) and the role P(keyturn.iam.rotation#role) keep
    access keys, with the vault secrets of the run.
  - The file is read each time. Ansible reads C(vars_files) and C(group_vars) once a run, so that a variable may still
    have the key from before.
  - What is returned has the secret, so give the task that uses it C(no_log). The role does so for the tasks of
    C(rotation_on_promoted).
options:
  _terms:
    description: Names of IAM users, as IAM writes them.
    type: list
    elements: str
    required: true
  vault_file:
    description:
      - The store.
      - A relative path counts from the folder in which ansible-playbook was started.
    type: str
    vars:
      - name: rotation_vault_file
  stage:
    description:
      - Which of the user's keys. V(current) is the one for consumers; V(next) waits for STS; V(previous) was current
        last before it.
    type: str
    choices: [current, next, previous]
    default: current
seealso:
  - module: keyturn.iam.iam_access_key
  - plugin: keyturn.iam.ses_smtp_password
    plugin_type: filter
author:
  - keyturn contributors (@keyturn)
"""

EXAMPLES = r"""
- name: Put the access key of a CI user where it is used
  community.general.ini_file:
    path: /home/ci/.aws/credentials
    section: default
    option: "{{ item.option }}"
    value: "{{ item.value }}"
    mode: "0600"
  loop:
    - option: aws_access_key_id
      value: "{{ key.access_key_id }}"
    - option: aws_secret_access_key
      value: "{{ key.secret_access_key }}"
  vars:
    key: "{{ lookup('keyturn.iam.access_key', 'ci', vault_file='group_vars/all/iam_keys.yml') }}"
  no_log: true
  diff: false
"""

RETURN = r"""
_raw:
  description: For each user a mapping with the access key. A user or a stage that the store does not have is an error.
  type: list
  elements: dict
  contains:
    access_key_id:
      description: The id of the access key.
      type: str
    secret_access_key:
      description: Its secret.
      type: str
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._blot import keep_off_the_screen
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.pick import pick
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import expanded, is_left_out, plain_text


class LookupModule(LookupBase):
    """`keyturn.iam.access_key`."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=options)
        # A variable that gives the option comes as it was written.
        vault_file = self._templar.template(self.get_option("vault_file"))
        if is_left_out(vault_file):
            raise AnsibleLookupError(
                "keyturn.iam.access_key needs vault_file (or the variable rotation_vault_file): the store"
            )
        # As everywhere here: a relative path counts from where ansible-playbook was started.
        path = os.path.abspath(expanded(plain_text(vault_file)))
        if not os.path.exists(path):
            raise AnsibleLookupError(f"vault_file {path} does not exist, so that it has no access key")
        store = VaultStore(path, self._loader._vault)
        try:
            keys = [pick(store, str(plain_text(term)), self.get_option("stage")) for term in terms]
        except StoreError as error:
            raise AnsibleLookupError(error.message) from error
        for key in keys:
            keep_off_the_screen(key["secret_access_key"])
        return keys
