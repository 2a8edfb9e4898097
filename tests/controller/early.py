# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each ansible-playbook imports and no setting changes, for the process that they are forked from: see warm.py.

Other packages, and what is plain Python in the collections. Ansible's own configuration, its plugins and ours are none of it.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

PACKAGES = (
    "boto3.session",
    "botocore.httpchecksum",
    "cryptography.hazmat.primitives.ciphers.modes",
    "cryptography.hazmat.primitives.kdf.pbkdf2",
    "jinja2.nativetypes",
    "s3transfer.manager",
    "yaml",
    "ansible.module_utils.basic",
    "ansible.module_utils.common.arg_spec",
)
COLLECTIONS = (
    "amazon.aws.plugins.module_utils.modules",
    "keyturn.iam.plugins.module_utils._info",
    "keyturn.iam.plugins.module_utils._access_key.batch",
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
_AnsibleCollectionFinder(paths=[FOLDER])._install()
for name in COLLECTIONS:
    importlib.import_module(f"ansible_collections.{name}")
importlib.import_module("ansible_collections.keyturn.iam.plugins.module_utils._connection").prepare()
_AnsibleCollectionFinder._remove()
gc.collect()
gc.freeze()
