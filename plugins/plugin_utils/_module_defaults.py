# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `module_defaults` say of the account, seen from our modules.

Ansible hands an action the defaults of its module and of the group keyturn.iam.aws. Those of amazon.aws's groups it
does not: they are closed to other collections, so that a profile set for them would leave our tasks in the account of
the environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._credentials import connection_options, with_wider

Defaults = Iterable[Mapping[str, Any]]
OWN_GROUP = "group/keyturn.iam.aws"
# As ansible-core names them: `group/aws` is its own.
WIDER_GROUPS = ("group/ansible.builtin.aws", "group/amazon.aws.aws")
# The modules with which the role makes its requests.
MODULES = ("keyturn.iam.iam_access_key", "keyturn.iam.iam_access_key_info", "keyturn.iam.iam_access_keys")


def of_wider_groups(defaults: Defaults) -> dict[str, Any]:
    """The options of amazon.aws's groups, the narrower scope's last, not templated."""
    return _of(defaults, WIDER_GROUPS)


def of_siblings(defaults: Defaults, module: str) -> dict[str, Any]:
    """The options of the modules that make the role's other requests, not templated."""
    return _of(defaults, [name for name in MODULES if name != module])


def conflict(defaults: Defaults) -> str | None:
    """Why the role's requests would go to different accounts; null where they agree."""
    scopes = list(defaults)
    own = {name: _of(scopes, [name]) for name in MODULES}
    meant = {}
    for name in MODULES:
        if connection_options(own[name]):
            narrow = with_wider(own[name], _of(scopes, [OWN_GROUP]))
            meant[name] = connection_options(with_wider(narrow, of_wider_groups(scopes)))
    if not meant:
        return None
    of_group = with_wider(_of(scopes, [OWN_GROUP]), of_wider_groups(scopes))
    # A module of which nothing is said takes what is said of another one, unless a group says otherwise.
    others = {option for name in MODULES if name not in meant for option in connection_options(of_group)}
    options = sorted({option for given in meant.values() for option in given})
    for option in options:
        values = [given[option] for given in meant.values() if option in given]
        if option in others:
            values.append(connection_options(of_group)[option])
        if any(value != values[0] for value in values):
            return (
                f"module_defaults give the modules of keyturn.iam different values of {option}, so that the role would "
                f"look in one account and write in another: set it once, for {OWN_GROUP}"
            )
    return None


def _of(defaults: Defaults, names: Iterable[str]) -> dict[str, Any]:
    """What is set under these names. Of one name Ansible takes the narrowest scope alone."""
    scopes: dict[str, Any] = {}
    for scope in defaults:
        scopes.update(scope)
    found: dict[str, Any] = {}
    for name in names:
        if isinstance(scopes.get(name), Mapping):
            found.update(scopes[name])
    return found
