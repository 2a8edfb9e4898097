# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each ansible-playbook imports and no setting changes, for the process that they are forked from: see warm.py.

Other packages, and what is plain Python in the collections. Ansible's own configuration is none of it, nor what reads that: plugins,
and most of Ansible. Of these the code is compiled here, and each run imports it.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import ansible
from ansible.utils.collection_loader import _collection_finder

PACKAGES = (
    *("argparse", "configparser", "getpass", "email.header", "urllib.request", "xml.dom.minidom"),
    *("boto3.session", "botocore.httpchecksum", "s3transfer.manager"),
    *("cryptography.hazmat.primitives.ciphers.modes", "cryptography.hazmat.primitives.kdf.pbkdf2"),
    *("jinja2.nativetypes", "multiprocessing.managers", "packaging.specifiers", "yaml"),
    *("ansible.module_utils.basic", "ansible.module_utils.common.arg_spec", "ansible.parsing.utils.addresses"),
)
PLUGIN_UTILS = (
    *("_module_defaults", "_plan.plan", "_store.beside", "_store.lock", "_store.text"),
    *(f"_report.{name}" for name in ("build", "document", "metrics", "page", "screen", "table")),
    *(f"_rotation.{name}" for name in ("given", "incident", "outcome", "seen", "steps")),
)
COLLECTIONS = (
    "amazon.aws.plugins.module_utils.modules",
    "keyturn.iam.plugins.module_utils._info",
    "keyturn.iam.plugins.module_utils._access_key.batch",
    *(f"keyturn.iam.plugins.plugin_utils.{name}" for name in PLUGIN_UTILS),
)
OF_ANSIBLE = (
    *("cli", "config", "errors", "executor", "inventory", "parsing"),
    *("playbook", "plugins", "template", "utils", "vars", "_internal"),
)
FOLDER = os.environ["ANSIBLE_COLLECTIONS_PATH"]
# As it is for the script: its own folder, then what is Python's. pytest and the tests have added theirs.
SCRIPT_PATH = [
    os.path.dirname(sys.executable),
    *(path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix)) and path != FOLDER),
]

for name in PACKAGES:
    importlib.import_module(name)
# Ansible has a finder of its own for collections, and each run puts in its own.
_collection_finder._AnsibleCollectionFinder(paths=[FOLDER])._install()
for name in COLLECTIONS:
    importlib.import_module(f"ansible_collections.{name}")
importlib.import_module("ansible_collections.keyturn.iam.plugins.module_utils._connection").prepare()
_collection_finder._AnsibleCollectionFinder._remove()
assert "ansible.constants" not in sys.modules, "a run's settings were read before there was a run"


def _code() -> Iterator[tuple[str, CodeType]]:
    own = Path(FOLDER, "ansible_collections", "keyturn", "iam", "plugins")
    imported = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for path in own.rglob("*.py"):
        if str(path) not in imported:
            yield str(path), compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    for part in OF_ANSIBLE:
        for path in Path(ansible.__file__).with_name(part).rglob("*.py"):
            if code := _get_code(SourceFileLoader("", str(path)), ""):
                yield str(path), code


def _compile(source: Any, filename: str, **options: Any) -> CodeType:
    """As Python's own; Ansible's loader of collections keeps no compiled code beside the source."""
    return CODE.get(filename) or compile(source, filename, **options)


_get_code = SourceFileLoader.get_code
CODE = dict(_code())
SourceFileLoader.get_code = lambda loader, name: CODE.get(loader.path) or _get_code(loader, name)  # type: ignore[method-assign]
_collection_finder.compile = _compile
gc.collect()
gc.freeze()
