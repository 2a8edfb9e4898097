# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role can know before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._job_folders import thrown_away


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a job, in which the run was started, beside a folder that stays."""
    for name in ("job/store", "kept", "job-of-another"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "job")
    (tmp_path / "job" / "out").symlink_to(tmp_path / "kept")
    monkeypatch.chdir(tmp_path / "job")
    monkeypatch.setenv("HOME", str(tmp_path / "job"))
    return tmp_path / "job"


@pytest.mark.parametrize(
    "path", ["keys.yml", "store/keys.yml", "not/there/yet.yml", "../link/keys.yml", "~/keys.yml", "$HOME/keys.yml"]
)
def test_what_lies_in_the_jobs_folder_is_thrown_away(job: Path, path: str) -> None:
    assert thrown_away(path, ["/elsewhere", str(job)]) == str(job)
    assert thrown_away(path, [str(job.parent / "link")]) == str(job.parent / "link")


@pytest.mark.parametrize("path", ["../kept/keys.yml", "out/keys.yml", "../job-of-another/keys.yml", "../..keys.yml"])
def test_what_lies_beside_it_is_kept(job: Path, path: str) -> None:
    assert thrown_away(path, [str(job)]) is None
    assert thrown_away(path, []) is None
