# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: _given_access_key
short_description: "[INTERNAL] The access key that is to be adopted"
version_added: 0.1.0
description:
  - B(This is an internal tool and must only be used from the role of this collection!) It may change without notice.
  - Takes a key from a profile of the shared credentials file, or from a CSV file as AWS's console gives it.
options:
  _terms:
    description: The name of the user.
    type: list
    elements: str
    required: true
  profile:
    description: The profile.
    type: str
  csv:
    description: The CSV file.
    type: str
author:
  - keyturn contributors (@keyturn)
"""

EXAMPLES = r"""
- name: Which key
  ansible.builtin.debug:
    msg: "{{ lookup('keyturn.iam._given_access_key', 'ci', profile='default').access_key_id }}"
"""

RETURN = r"""
_raw:
  description: Id and secret.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.given import given_key
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain_text


class LookupModule(LookupBase):
    """`keyturn.iam._given_access_key`."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=options)
        profile, csv = plain_text(self.get_option("profile")), plain_text(self.get_option("csv"))
        try:
            return [given_key(str(plain_text(term)), profile, csv) for term in terms]
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
