# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that a task ends with: one sentence each, caught once, where the task's result is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

NO_STORE_FROM_AFAR = (
    "vault_file needs the controller's process: a module's answer would carry the secret over the connection"
)


class KeyturnError(AnsibleAWSError):
    """A task cannot do what it was asked. `returns` are values that its failed result must carry all the same."""

    def __init__(
        self, message: str, exception: BaseException | None = None, returns: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message=message, exception=exception)
        self.returns = dict(returns or {})


class StoreError(KeyturnError):
    """The vault file cannot be read, locked or written."""


class IamError(KeyturnError):
    """A request failed, after all its repetitions."""

    proves_nothing_done = False

    @property
    def code(self) -> str | None:
        """AWS's error code, such as AccessDenied, or None where no answer came."""
        response = getattr(self.exception, "response", None) or {}
        code: str | None = response.get("Error", {}).get("Code")
        return code

    @property
    def sentence(self) -> str:
        """The error with AWS's own words, without botocore's around them."""
        response = getattr(self.exception, "response", None) or {}
        if not response.get("Error", {}).get("Message"):
            return str(self)
        operation = getattr(self.exception, "operation_name", "")
        return f"{self.message} ({operation}: {self.code}): {response['Error']['Message']}"

    @property
    def missing(self) -> bool:
        return self.code == "NoSuchEntity"

    @property
    def denied(self) -> bool:
        return self.code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")

    @property
    def unsupported(self) -> bool:
        """Whether the endpoint does not have this request at all, as one that only speaks like AWS."""
        return self.code in ("InvalidAction", "NotImplemented", "UnknownOperationException")

    @property
    def over_quota(self) -> bool:
        return self.code == "LimitExceeded"


class UnknownOutcome(IamError):
    """A CreateAccessKey was sent and no proof came back of whether a key was made."""
