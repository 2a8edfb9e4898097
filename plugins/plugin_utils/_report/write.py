# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in a file: the form by the file's ending, and the file replaced at once."""

from __future__ import annotations

import os
import secrets

from ansible.parsing.vault import is_encrypted
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.document import as_json
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.metrics import as_prometheus
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, ReportError
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.page import as_html
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.tables import as_csv, as_markdown

_BEGINNING = 64
ENDINGS = (".json", ".md", ".html", ".csv", ".prom")
ENDINGS_TEXT = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"


def render(report: Report, path: str, show_all: bool = False, key_ids: bool = False) -> str:
    """The report in the form that the file's ending names. Raises ReportError for an ending that names none."""
    ending = os.path.splitext(path)[1].lower()
    if ending == ".json":
        return as_json(report)
    if ending == ".csv":
        return as_csv(report)
    if ending == ".md":
        return as_markdown(report, show_all)
    if ending == ".html":
        return as_html(report, show_all)
    if ending == ".prom":
        return as_prometheus(report, key_ids)
    raise ReportError(
        f"The report {path} was not written, because its ending names no form of a report; "
        f"name a file that ends in {ENDINGS_TEXT}."
    )


def _refuse_vault_file(path: str, target: str, vault_file: str | None) -> None:
    """A report takes no vault file's place, nor that of the run's own store, made or not."""
    if vault_file and target == os.path.realpath(vault_file):
        raise ReportError(_not_overwritten(path, "that is the place of the store"))
    if not os.path.isfile(target):
        return
    try:
        with open(target, "rb") as file:
            encrypted = is_encrypted(file.read(_BEGINNING))
    except OSError as error:
        why = f"there is a file that cannot be read ({error.strerror}), so that it may be a vault file"
        raise ReportError(_not_overwritten(path, why)) from error
    if encrypted:
        raise ReportError(_not_overwritten(path, "that is an Ansible Vault file"))


def _not_overwritten(path: str, why: str) -> str:
    return f"The report {path} was not written, because {why}; name another file."


def write(path: str, text: str, vault_file: str | None = None) -> None:
    """Puts the text into the file at once: whoever reads it meanwhile sees the old one or the new one, never half of
    one.

    Keeps a symbolic link and the permissions of a file that is replaced; never replaces a vault file, nor `vault_file`,
    the run's store. Raises ReportError in one sentence.
    """
    target = os.path.realpath(path)
    _refuse_vault_file(path, target, vault_file)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise ReportError(
            f"The report {path} was not written, because the folder {folder} does not exist; make it or name another."
        )
    if os.path.isdir(target):
        raise ReportError(f"The report {path} was not written, because that is a folder; name a file in it.")
    # Not tempfile's, which only its owner may read whatever the umask says: a report is for others.
    beside = os.path.join(folder, f".rotation_report-{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                file.write(text)
            if os.path.exists(target):
                os.chmod(beside, os.stat(target).st_mode & 0o7777)
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise ReportError(f"The report {path} was not written: {error.strerror or error}.") from error
