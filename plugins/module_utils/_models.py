# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What botocore knows of AWS's services, read once for all clients.

By itself each session reads it anew, which takes longer than a request. What a process has read, those that it forks
have too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

try:
    import botocore.session
    from botocore.loaders import Loader
except ImportError:  # amazon.aws says so before anything here is used
    pass


@cache
def loader() -> Any:
    """The one that keeps what was read."""
    return Loader()


@contextmanager
def read_once() -> Iterator[None]:
    """The sessions that are made within share what is read; one whose data lie elsewhere (AWS_DATA_PATH) does not."""
    own = botocore.session.create_loader

    def create_loader(path: str | None = None) -> Any:
        return own(path) if path else loader()

    botocore.session.create_loader = create_loader  # boto3 leaves no other way in
    try:
        yield
    finally:
        botocore.session.create_loader = own
        paths = loader().search_paths
        paths[:] = dict.fromkeys(paths)  # boto3 adds its own each time


def read_early() -> None:
    """Reads it for the processes that will be forked. Where it cannot be read yet, whoever needs it says so."""
    with suppress(Exception), read_once():
        session = botocore.session.Session()
        for service in ("iam", "sts"):
            session.create_client(
                service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-", verify=False
            )
