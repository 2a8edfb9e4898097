# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a runner of jobs lays out what a job has, for that job only: what is stored there is thrown away with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.keyturn.iam.plugins.plugin_utils._values import expanded

# By the variables with which each runner names its folders.
_FOLDERS = (
    "AWX_PRIVATE_DATA_DIR",
    "GITHUB_WORKSPACE",
    "CI_PROJECT_DIR",  # GitLab
    "PIPELINE_WORKSPACE",  # Azure Pipelines: it holds the sources and the artifacts
    "BUILD_SOURCESDIRECTORY",
    "SYSTEM_DEFAULTWORKINGDIRECTORY",
    "BITBUCKET_CLONE_DIR",
    "BUILDKITE_BUILD_CHECKOUT_PATH",
)
# Names that others use too: they count only beside the runner's own.
_FOLDERS_OF = {
    "GITHUB_ACTIONS": ("RUNNER_TEMP",),
    "TF_BUILD": ("AGENT_TEMPDIRECTORY", "AGENT_BUILDDIRECTORY"),  # Azure Pipelines
    "JENKINS_URL": ("WORKSPACE", "WORKSPACE_TMP"),
    "CIRCLECI": ("CIRCLE_WORKING_DIRECTORY",),
}


def job_folders(environment: Mapping[str, str] | None = None) -> list[str]:
    """The folders that are thrown away with this job, none where it is no job; `environment`: the process's own where
    left out.
    """
    given = os.environ if environment is None else environment
    names = [*_FOLDERS, *(name for runner, folders in _FOLDERS_OF.items() if given.get(runner) for name in folders)]
    # AWX calls its folder /runner inside the container.
    inside = ["/runner"] if given.get("AWX_PRIVATE_DATA_DIR") else []
    return [given[name] for name in names if given.get(name)] + inside


def thrown_away(path: str, folders: Iterable[str] | None = None) -> str | None:
    """The first of the folders (left out: this job's) in which the file lies, or null; it need not exist.

    Links are followed on both sides.
    """
    file = _real(path)
    found = job_folders() if folders is None else folders
    return next((str(folder) for folder in found if _real(folder) in (file, *file.parents)), None)


def _real(path: str) -> Path:
    return Path(os.path.realpath(expanded(path)))
