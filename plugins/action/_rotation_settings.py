# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the variables of the role, and says all that is wrong with them before anything is asked of AWS."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.keyturn.iam.plugins.filter import rotation as _read_once_for_all_workers  # noqa: F401
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._job_folders import thrown_away
from ansible_collections.keyturn.iam.plugins.plugin_utils._module_defaults import conflict
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.given import given_key
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.settings import (
    ENTRY_POINTS,
    PREFIX,
    Settings,
    read_settings,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.task_file import task_file_problems
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore

ARGUMENT_SPEC: dict[str, Any] = {
    "entry_point": {"type": "str", "choices": list(ENTRY_POINTS), "required": True},
    "lenient": {"type": "bool", "default": False},
    "instead": {"type": "dict", "default": {}},
}
# What keeps a secret that no store has yet.
KEEP_ANEW = ("main", "adopt", "rotate_self")


class ActionModule(ActionBase):
    """What the role goes by from here on: the settings, and whether this run really does things."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        variables = {**(task_vars or {}), **args["instead"]}
        settings = self._read(args["entry_point"], variables)
        problems = [*settings.problems, *filter(None, [conflict(self._task.module_defaults or [])])]
        problems += self._task_file_problems(settings)
        if not problems and args["entry_point"] != "audit":  # a look loses nothing
            problems = self._thrown_away(settings, variables)
        if not problems and args["entry_point"] in KEEP_ANEW:
            problems = self._store_problems(settings)
        if not problems and args["entry_point"] == "adopt":
            problems = _given_problems(settings)
        result.update(
            changed=False,
            # The variable ansible_check_mode is the command line's word alone; play, block and task may say otherwise.
            check_mode=bool(self._task.check_mode),
            settings=settings.values,
            policy=settings.policy,
            reads_tags=bool(settings.values["owner_tag"] or settings.values["tag_policy"]),
        )
        if args["lenient"]:
            result["problems"] = problems
        elif problems:
            result = {"failed": True, "msg": "; ".join(problems)}
        return result

    def _read(self, entry_point: str, variables: dict[str, Any]) -> Settings:
        def read(name: str) -> Any:
            try:
                return self._templar.template(variables[name])
            except AnsibleError as error:
                reason = str(getattr(error, "message", error)).split("\n", 1)[0]
                raise ValueError(f"{name.lstrip('_')} cannot be resolved: {reason}") from error

        return read_settings(entry_point, variables, read)

    def _task_file_problems(self, settings: Settings) -> list[str]:
        """Why tasks could not be included. They are not, then, where the run goes on all the same (`lenient`)."""
        problems = []
        for name in ("on_stored", "on_promoted"):
            found = task_file_problems(PREFIX + name, settings.values[name], self._task)
            if found:
                settings.values[name] = None
                problems += found
        return problems

    def _thrown_away(self, settings: Settings, variables: dict[str, Any]) -> list[str]:
        """Why what is stored would be lost with this job."""
        path = settings.values["vault_file"]
        saved = boolean(self._templar.template(variables.get("keyturn_store_is_saved", False)), strict=False)
        folder = None if not path or saved or settings.values["on_stored"] else thrown_away(path)
        if not folder:
            return []
        return [
            f"rotation_vault_file {path} lies in {folder}, which is thrown away with this job and the new secrets with "
            "it: name a file outside, or give rotation_on_stored, tasks that save it (see docs/fleet.md)"
        ]

    def _store_problems(self, settings: Settings) -> list[str]:
        """Why no secret could be kept, were one to be: for a whole fleet that is one reason."""
        path, vault_id = settings.values["vault_file"], settings.values["vault_id"]
        store = VaultStore(path, self._loader._vault, vault_id)  # as a task with vault_file does
        try:
            store.entries()
            with store.locked("-", write=False):  # no user is called so who has an entry
                return []
        except StoreError as error:
            return [str(error)]


def _given_problems(settings: Settings) -> list[str]:
    """Why there is no key to adopt."""
    try:
        given_key(settings.values["user_name"], settings.values["profile"], settings.values["csv"])
    except ValueError as error:
        return [str(error)]
    return []
