# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module's code in the controller's process, with the look of a module's result."""

from __future__ import annotations

import json
import logging
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from io import StringIO
from typing import Any, NoReturn, Optional

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ValidationResult
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.amazon.aws.plugins.module_utils.botocore import HAS_BOTO3
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.module_utils._connection import connect, prepare
from ansible_collections.keyturn.iam.plugins.module_utils._credentials import connection_options, with_wider
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError, StoreError
from ansible_collections.keyturn.iam.plugins.module_utils._iam import Iam
from ansible_collections.keyturn.iam.plugins.module_utils._time import to_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._job_folders import thrown_away
from ansible_collections.keyturn.iam.plugins.plugin_utils._module_defaults import of_siblings, of_wider_groups
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.history import DELETE_AFTER_DAYS
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.lock import LOCK_TIMEOUT
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import blotted, expanded, plain

display = Display()
prepare()  # once, where ansible-playbook loads this, and not in each of its workers

OpenStore = Callable[[Mapping[str, Any]], Optional[VaultStore]]
# A worker runs all items of a loop, so that what is kept here serves them all and is gone with the task.
_connections: dict[tuple[Any, ...], Iam] = {}
_stores: dict[tuple[Any, ...], VaultStore] = {}
_AWS_OPTIONS = sorted(_argspec.with_aws({}))
# Before ansible-core 2.21 each module says how it was called.
_MAY_SHOW_INVOCATION = "INJECT_INVOCATION" in C.config.get_configuration_definitions()


class _Ended(Exception):
    """A task ended, with this result."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result.get("msg"))
        self.result = result


class ModuleInProcess:
    """What amazon.aws's connection helpers and our own code touch of a module, and no more."""

    fail_json_aws = AnsibleAWSModule.fail_json_aws
    _gather_versions = AnsibleAWSModule._gather_versions

    def __init__(self, name: str, params: dict[str, Any], secrets: set[str]) -> None:
        self._name, self.params = name, params
        # What no log may show of the options.
        self.no_log_values = secrets

    def fail_json(self, msg: str, **fields: Any) -> NoReturn:
        raise _Ended({"failed": True, "msg": msg, **fields})

    def connect(self, pool: int | None = None) -> Iam:
        """The connection for these options and this environment, kept for the items of a loop.

        Left out, `pool` is how many requests at a time the task wants, where it says so.
        """
        pool = pool or self.params.get("max_concurrency")
        options = tuple((name, repr(self.params.get(name))) for name in _AWS_OPTIONS)
        key = (pool, options, tuple(sorted(os.environ.items())))
        if key not in _connections:
            _connections[key] = connect(self, pool)
        return _connections[key]


class InProcessAction(ActionBase):
    """The action plugin of a module of this collection: in process where that may be, else the module."""

    _supports_check_mode = True
    _supports_async = True
    module_name: str
    argument_spec: dict[str, Any]
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    returns_secret = False

    @abstractmethod
    def perform(self, module: ModuleInProcess, open_store: OpenStore) -> dict[str, Any]:
        """The task's result; `open_store` gives the store that options name. Raises KeyturnError."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        self._take_wider_defaults(variables)
        wants_store = self._names_store(self._task.args)
        elsewhere = self._elsewhere(variables)
        if wants_store and elsewhere:
            return {
                "failed": True,
                "msg": f"A task with vault_file runs in the controller's process, where the secret stays: {elsewhere}",
            }
        if self.returns_secret and self._task.async_val:
            self._task.no_log = True  # the result of a poll passes this plugin by
        if wants_store or not (elsewhere or self._asked_for_module(variables)):
            result = self._run_here(variables)
        else:
            result = self._execute_module(
                module_name=self.module_name, task_vars=variables, wrap_async=self._task.async_val
            )
        self.tell(result, variables)
        return self._censored(result)

    def tell(self, result: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """Says more of the result than Ansible does."""

    def _take_wider_defaults(self, variables: Mapping[str, Any]) -> None:
        """What the caller's module_defaults say of the account and Ansible does not hand to this action."""
        defaults = self._task.module_defaults or []
        if self._task._role and self._task._role.get_name() == "keyturn.iam.rotation":
            self._take(of_siblings(defaults, self.module_name), variables)
        self._take(of_wider_groups(defaults), variables)

    def _take(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        options = connection_options(options)
        if options:
            found = self._templar.template(options)
            left_out = variables.get("omit")
            wider = {name: value for name, value in found.items() if value != left_out}
            self._task.args = with_wider(self._task.args, wider)

    def _elsewhere(self, variables: Mapping[str, Any]) -> str | None:
        """Why the task cannot run in the controller's process, as the way out."""
        if self._connection.transport != "local":
            return f"use a local connection (delegate_to: localhost), not {self._connection.transport}"
        if self._connection.become is not None:
            return _without_become(self._host_variables(variables))
        if self._task.async_val:
            return "leave async out"
        if not HAS_BOTO3:
            return f"install boto3 for {sys.executable}, which runs ansible-playbook"
        return None

    def _asked_for_module(self, variables: Mapping[str, Any]) -> bool:
        if not boolean(self._templar.template(variables.get("keyturn_in_process", True)), strict=False):
            return True
        host = self._host_variables(variables)
        interpreter = str(self._templar.template(host.get("ansible_python_interpreter") or "auto"))
        return not interpreter.startswith("auto") and _installation(interpreter) != _installation(sys.executable)

    def _host_variables(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those of the host to which the task is delegated, where it is."""
        if not self._task.delegate_to:
            return variables
        found: Mapping[str, Any] = variables.get("ansible_delegated_vars", {}).get(self._task.delegate_to, variables)
        return found

    def _run_here(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        environment: dict[str, Any] = {}
        self._compute_environment_string(raw_environment_out=environment)
        # A mistake is told in the words of the module: with its name, and without the classes of ansible-core's tags.
        self._load_name, self._task.args = self.module_name, plain(self._task.args)
        spec = _argspec.with_aws(self.argument_spec)
        with _environment(environment):
            try:
                validated, arguments = self.validate_argument_spec(
                    argument_spec=spec, mutually_exclusive=self.mutually_exclusive
                )
            except AnsibleActionFail as error:
                return {"failed": True, "msg": str(error.message)}
            params = {name: plain(arguments.get(name)) for name in spec}
            module = ModuleInProcess(self.module_name, params, validated._no_log_values)
            with _failures_as_result(module) as result:
                result.update(self.perform(module, partial(self._open_store, module, variables)))
        return _like_a_module(result, module, validated, variables)

    def _names_store(self, args: Mapping[str, Any]) -> bool:
        """Whether the task names a vault file, or gives a secret: that goes into no module's arguments either."""
        return bool(args.get("vault_file") or args.get("secret_access_key"))

    def _open_store(
        self, module: ModuleInProcess, variables: Mapping[str, Any], params: Mapping[str, Any]
    ) -> VaultStore | None:
        """The store that the options name; refused where it is none, or where the rotation's knows better.

        Raises KeyturnError.
        """
        self._refuse_revoked(params, variables)
        return self._store(module, params, variables)

    def _refuse_revoked(self, params: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """A task without vault_file knows of no revocation; where the rotation's store is known, that one is asked."""
        path, key_id = variables.get("rotation_vault_file"), params.get("access_key_id")
        switches_on = params.get("active") and key_id and params.get("leaked") is not False
        if not path or not switches_on or params.get("vault_file"):
            return
        file = os.path.abspath(expanded(self._templar.template(path)))
        try:
            record = self._store_at(file, None, variables).entry(str(params.get("user_name"))).key(key_id)
        except StoreError:
            return  # no store of this run's, and none that the task named
        if record and record.revoke_date:
            raise KeyturnError(
                f"Access key {key_id} of user {params['user_name']} is not switched on: it was revoked on "
                f"{to_iso(record.revoke_date)}, "
                f"as {file} (rotation_vault_file) has it; leaked=false says that it is safe all the same"
            )

    def _store(
        self, module: ModuleInProcess, params: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> VaultStore | None:
        """The store by the vault secrets of this run.

        A relative path counts from where ansible-playbook was started.
        """
        if not params.get("vault_file"):
            return None
        self._refuse_thrown_away(params, variables)
        store = self._store_at(params["vault_file"], params.get("vault_id"), variables)
        days = self._templar.template(variables.get("rotation_delete_after_days"))
        store.keep_deleted(lambda: module.connect().now, _number_or(days, DELETE_AFTER_DAYS))
        return store

    def _store_at(self, path: str, vault_id: str | None, variables: Mapping[str, Any]) -> VaultStore:
        """The store of that file, kept for the items of a loop."""
        timeout = float(self._templar.template(variables.get("keyturn_lock_timeout", LOCK_TIMEOUT)))
        key = (os.path.abspath(path), vault_id, timeout)
        if key not in _stores:
            # Public ways read files only; the secrets are the loader's own.
            _stores[key] = VaultStore(key[0], self._loader._vault, *key[1:])
        return _stores[key]

    def _refuse_thrown_away(self, params: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """A store that is gone with the job is none; but nothing stands before a revocation."""
        path = params["vault_file"]
        folder = thrown_away(path) if self.returns_secret and not params.get("leaked") else None
        if not folder or boolean(self._templar.template(variables.get("keyturn_store_is_saved", False)), strict=False):
            return
        raise StoreError(
            f"vault_file {path} lies in {folder}, which is thrown away with this job and the new secrets with it: name "
            "a file outside, or save the file in a later task and say so with the variable keyturn_store_is_saved: "
            "true (see docs/store.md)"
        )

    def _censored(self, result: dict[str, Any]) -> dict[str, Any]:
        """A result with a secret is registered as it is and not shown; a failure's reason is shown apart from it."""
        if any(one.get("secret_access_key") for one in (result, *result.get("results", ()))):
            if result.get("failed"):
                display.error(str(result.get("msg")), wrap_text=False)
            result["_ansible_no_log"] = True
            self._task.no_log = True  # before ansible-core 2.19 the result of a loop knows the task's word only
        return result


def _number_or(value: Any, default: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def _like_a_module(
    result: dict[str, Any], module: ModuleInProcess, validated: ValidationResult, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """The result with what Ansible adds to a module's: warnings, how it was called, secret arguments blotted out."""
    aliases = [f"Both option {one['option']} and its alias {one['alias']} are set." for one in validated._warnings]
    if aliases:
        result["warnings"] = aliases + result.get("warnings", [])
    result = _without(result, module.no_log_values)
    if not _MAY_SHOW_INVOCATION or C.config.get_config_value("INJECT_INVOCATION", variables=variables):
        result["invocation"] = blotted({"module_args": module.params}, module.no_log_values)
    return result


def _without(result: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
    """The result with secret arguments blotted out; its walk over a fleet's result is spared where no secret can be in
    it.
    """
    text = json.dumps(result, default=str) if secrets else ""
    return blotted(result, secrets) if any(json.dumps(secret)[1:-1] in text for secret in secrets) else result


def _without_become(host: Mapping[str, Any]) -> str:
    """The way out for a task that would change its user."""
    if "ansible_become" in host:
        return "set the variable ansible_become to false for it (under vars), since it counts more than become: false"
    return "set become: false for it"


@cache
def _installation(python: str) -> tuple[str, str]:
    """What tells one Python from another.

    Virtual environments link to one and the same, each from a folder of its own.
    """
    return os.path.dirname(os.path.abspath(python)), os.path.realpath(python)


@contextmanager
def _environment(changes: Mapping[str, Any]) -> Iterator[None]:
    """The task's `environment:` for as long as it runs: option fallbacks and boto3 read it."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update({name: str(value) for name, value in changes.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _failures_as_result(module: ModuleInProcess) -> Iterator[dict[str, Any]]:
    """A result to fill in: a failure fills it in too, as a module's does, and so does a log of requests that was asked
    for.
    """
    result: dict[str, Any] = {}
    with _endpoint_log(module) as log:
        try:
            yield result
        except KeyturnError as error:
            result.update(_failure(module, error))
        except _Ended as ended:
            result.update(ended.result)
    if log:
        with suppress(AttributeError):  # amazon.aws before 9 stumbles over an endpoint without https
            result["resource_actions"] = AnsibleAWSModule._get_resource_action_list(log)
    for one in (result, *result.get("results", ())) if display.verbosity < 3 else ():
        one.pop("exception", None)  # a traceback is for -vvv


def _failure(module: ModuleInProcess, error: KeyturnError) -> dict[str, Any]:
    try:
        _result.fail(module, error)
    except _Ended as ended:
        return ended.result
    raise AssertionError("a failure ends the task")


class _EndpointLog:
    def __init__(self) -> None:
        self._botocore_endpoint_log_stream = StringIO()


@contextmanager
def _endpoint_log(module: ModuleInProcess) -> Iterator[_EndpointLog | None]:
    """amazon.aws's debug_botocore_endpoint_logs."""
    if not module.params.get("debug_botocore_endpoint_logs"):
        yield None
        return
    log, logger = _EndpointLog(), logging.getLogger("botocore.endpoint")
    handler, level = logging.StreamHandler(log._botocore_endpoint_log_stream), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
