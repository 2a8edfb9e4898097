# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job whose folder is thrown away: the role refuses to keep a store there, or saves it with rotation_on_stored.

docs/examples has the worked example with git; it is run here as it is, each job in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller, Run, Running
from controller.store import open_store, write_store
from helpers import key_task, ok, play, refusal, writes
from lab.client import Lab
from lab.messages import Key
from thorough import thorough

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
STORE = "keys.yml"
FLEET_STORE = "other.yml"


def git(folder: Path, *arguments: str) -> str:
    """What git says, whatever the settings of the person who runs the tests."""
    who = {f"GIT_{role}_{what}": "someone@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **who}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


@dataclass
class Jobs:
    """A repository that keeps the store, and jobs that clone it, each in a folder that AWX would throw away."""

    controller: Controller
    folder: Path
    count: int = 0

    @property
    def repository(self) -> Path:
        return self.folder / "keys.git"

    def prepare(self) -> Jobs:
        self.folder.mkdir()
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))
        first = self.clone("first")
        (first / "README").write_text("The access keys of our IAM users.\n")
        self.push(first)
        return self

    def clone(self, name: str) -> Path:
        git(self.folder, "clone", "--quiet", str(self.repository), name)
        return self.folder / name

    def push(self, clone: Path) -> None:
        """What somebody else saves."""
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--message", "by somebody else")
        git(clone, "push", "--quiet", "origin", "HEAD:main")

    def new(self) -> Path:
        self.count += 1
        job = self.folder / f"job-{self.count}"
        job.mkdir()
        return job

    def start(self, job: Path, **options: Any) -> Running:
        variables = {
            "store_repository": str(self.repository),
            "rotation_vault_file": f"store/{STORE}",
            "rotation_users": ["*"],
            "rotation_verify_delay": 0,
            "rotation_idle_days": 1,
        }
        return self.controller.start(
            EXAMPLES / "rotate-from-git.yml",
            cwd=job,
            env={"AWX_PRIVATE_DATA_DIR": str(job)},
            extra_vars=variables,
            **options,
        )

    def run(self, job: Path | None = None, **options: Any) -> Run:
        """A job from its start until its folder is thrown away; one that is given is kept."""
        where = job or self.new()
        run = self.start(where, **options).wait()
        if job is None:
            shutil.rmtree(where)
        return run

    def saved(self, branch: str = "main") -> dict[str, Any]:
        """The entries of the store as the repository has it."""
        path = self.folder / "saved.yml"
        path.write_text(git(self.repository, "show", f"{branch}:{STORE}"))
        return dict(open_store(path)["iam_access_keys"])

    def save(self, entries: dict[str, Any]) -> None:
        """A store that a job has left before."""
        clone = self.clone(f"by-hand-{self.commits()}")
        write_store(clone / STORE, {"iam_access_keys": entries})
        self.push(clone)

    def commits(self) -> int:
        return int(git(self.repository, "rev-list", "--count", "main"))


@pytest.fixture
def jobs(controller: Controller, tmp_path: Path) -> Jobs:
    return Jobs(controller, tmp_path / "ci").prepare()


def next_of(entry: dict[str, Any]) -> list[str]:
    return [
        key
        for key, record in entry.get("other_keys", {}).items()
        if "secret_access_key" in record and "promote_date" not in record
    ]


def test_a_store_in_a_folder_that_is_thrown_away(lab: Lab, controller: Controller, tmp_path: Path) -> None:
    folders = {
        "AWX_PRIVATE_DATA_DIR": tmp_path / "awx",
        "GITHUB_WORKSPACE": tmp_path / "github",
        "CI_PROJECT_DIR": tmp_path / "gitlab",
    }
    for folder in folders.values():
        (folder / "project").mkdir(parents=True)
    (tmp_path / "awx-old").mkdir()
    (tmp_path / "link.yml").symlink_to(tmp_path / "awx" / STORE)
    refused = {
        "awx": tmp_path / "awx" / STORE,
        "inside": "/runner/project/keys.yml",
        "github": tmp_path / "github" / "project" / STORE,
        "gitlab": os.path.relpath(tmp_path / "gitlab" / STORE, controller.cwd),
        "link": tmp_path / "link.yml",
    }
    # Saves nothing, for there is nothing to save: it is not to be included.
    (controller.cwd / "save.yml").write_text("- ansible.builtin.fail:\n")
    allowed = {"beside": tmp_path / "awx-old" / STORE, "here": STORE}

    def look(name: str, vault_file: object, **variables: object) -> dict[str, Any]:
        variables["rotation_vault_file"] = str(vault_file)
        reason = "{{ ansible_failed_result.results | default([ansible_failed_result]) | map(attribute='msg') | join }}"
        return {
            "name": name,
            "block": [{"ansible.builtin.include_role": {"name": "keyturn.iam.rotation"}, "vars": variables}],
            "rescue": [{"name": f"{name} refused", "ansible.builtin.debug": {"msg": reason}}],
        }

    tasks = [look(name, path) for name, path in {**refused, **allowed}.items()]
    tasks.append(look("saved", tmp_path / "awx" / "project" / STORE, rotation_on_stored="save.yml"))
    run = controller.run(
        play(*tasks, vars={"rotation_users": ["*"]}), env={name: str(path) for name, path in folders.items()}
    )

    run.ok()
    for name, path in refused.items():
        said = run.result(f"{name} refused")["msg"]
        assert f"rotation_vault_file {path} lies in " in said
        assert "thrown away with this job" in said and "rotation_on_stored" in said
    assert [task.task for task in run.results if task.task.endswith(" refused")] == [
        f"{name} refused" for name in refused
    ]


JOBS: dict[str, tuple[dict[str, str], str]] = {
    "awx": ({"AWX_PRIVATE_DATA_DIR": "{job}"}, "{job}/project"),
    "inside awx": ({"AWX_PRIVATE_DATA_DIR": "/tmp/elsewhere"}, "/runner/project"),
    "github": ({"GITHUB_WORKSPACE": "{job}"}, "{job}/project"),
    "github's temporary folder": ({"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "{job}"}, "{job}/project"),
    "gitlab": ({"CI_PROJECT_DIR": "{job}"}, "{job}/project"),
    "azure": ({"TF_BUILD": "True", "PIPELINE_WORKSPACE": "{job}"}, "{job}/project"),
    "azure's sources": ({"BUILD_SOURCESDIRECTORY": "{job}"}, "{job}/project"),
    "jenkins": ({"JENKINS_URL": "https://ci.example.com", "WORKSPACE": "{job}"}, "{job}/project"),
    "circleci": ({"CIRCLECI": "true", "CIRCLE_WORKING_DIRECTORY": "~/project"}, "{home}/project"),
    "bitbucket": ({"BITBUCKET_CLONE_DIR": "{job}"}, "{job}/project"),
    "buildkite": ({"BUILDKITE_BUILD_CHECKOUT_PATH": "{job}"}, "{job}/project"),
}
OFTEN = ("awx", "github", "circleci")


@pytest.mark.parametrize(
    "runner",
    [*OFTEN, *(thorough(runner) for runner in JOBS if runner not in OFTEN)],
)
def test_a_task_whose_store_is_thrown_away_with_the_job(
    lab: Lab, controller: Controller, tmp_path: Path, runner: str
) -> None:
    """Refused before anything is asked of AWS, in check mode too, as the role is; but nothing stands before a revocation."""
    places = {"job": str(tmp_path / "job"), "home": str(controller.folder / "home")}
    given, place = JOBS[runner]
    env = {name: value.format(**places) for name, value in given.items()}
    folder = Path(place.format(**places))
    if not folder.is_relative_to("/runner"):
        folder.mkdir(parents=True)
    leaked, stays = lab.seed("ci", Key(age_days=100), Key(age_days=3)).keys
    lab.seed("web", Key(age_days=100))
    tasks = [
        key_task("made", "web", max_age_days=90, vault_file=str(folder / STORE), verify_delay=0),
        key_task("predicted", "web", check=True, max_age_days=90, vault_file=str(folder / STORE)),
        key_task("off", "ci", access_key_id=stays.access_key_id, active=False, vault_file=str(folder / STORE)),
        key_task("looked", "web", task={"vars": {"keyturn_store_is_saved": "false"}}, vault_file=str(folder / STORE)),
    ]
    run = controller.run(play(*tasks), env=env).ok()
    for name in ("made", "predicted", "off", "looked"):
        said = refusal(run, name)
        assert f"vault_file {folder / STORE} lies in " in said and "thrown away with this job" in said
        assert "keyturn_store_is_saved: true" in said
    assert not lab.requests("ListAccessKeys") and not writes(lab) and not (folder / STORE).exists()
    if not folder.exists():
        return  # no folder of ours to write into
    revoked = key_task(
        "revoked", "ci", access_key_id=leaked.access_key_id, active=False, leaked=True, vault_file=str(folder / STORE)
    )
    saved = key_task("saved", "web", max_age_days=90, vault_file=str(folder / STORE), verify_delay=0)
    run = controller.run(play(revoked, {**saved, "vars": {"keyturn_store_is_saved": True}}), env=env).ok()
    assert ok(run, "saved")["changed"] and ok(run, "revoked")["changed"], str(run)
    assert set(open_store(folder / STORE)["iam_access_keys"]) == {"ci", "web"}
    # Jenkins and others call other things so, too.
    if runner == "jenkins":
        elsewhere = key_task("elsewhere", "web", max_age_days=90, vault_file=str(folder / STORE))
        controller.run(play(elsewhere), env={"WORKSPACE": places["job"]}).ok()


def test_the_role_takes_a_persons_word_that_the_store_is_saved(
    lab: Lab, controller: Controller, tmp_path: Path
) -> None:
    lab.seed("ci", Key(age_days=100))
    variables = {"rotation_users": ["*"], "rotation_vault_file": "keys.yml", "rotation_verify_delay": 0}
    env = {"AWX_PRIVATE_DATA_DIR": str(controller.cwd)}
    run = controller.run("keyturn.iam.rotate", env=env, extra_vars=variables)
    assert run.rc == 2 and "thrown away with this job" in run.msg and not writes(lab)
    controller.run("keyturn.iam.rotate", env=env, extra_vars={**variables, "keyturn_store_is_saved": "true"}).ok()
    assert open_store(controller.cwd / STORE)["iam_access_keys"]["ci"]


def test_three_jobs_of_a_rotation(lab: Lab, jobs: Jobs) -> None:
    """Day 0, 8 and 45, each job in a clone of its own; after each the repository has all that happened."""
    old = lab.seed("ci", Key(age_days=100, used_days=2)).keys[0].access_key_id

    job = jobs.new()
    predicted = jobs.run(job, check=True).ok()
    assert predicted.changed == 1
    assert predicted.tasks("Commit and push the store") == []
    assert jobs.commits() == 1
    assert git(job / "store", "status", "--short", "--ignored") == ""

    jobs.run().ok()
    entry = jobs.saved()["ci"]
    new = lab.state()["ci"].active[1]
    assert (entry["access_key_id"], entry["secret_access_key"]) == (new.access_key_id, new.secret_access_key)
    assert entry["promote_date"] and "asked" not in entry and "other_keys" not in entry
    # Once before the new key was made current, once after.
    assert jobs.commits() == 3
    history = git(jobs.repository, "log", "--format=%H", "main").split()
    before = jobs.saved(history[1])["ci"]
    assert next_of(before) == [new.access_key_id] and "access_key_id" not in before

    again = jobs.run().ok()
    assert again.changed == 0
    assert again.tasks("Commit and push the store") == []

    lab.clock(days=8)
    jobs.run().ok()
    assert set(jobs.saved()["ci"]["other_keys"][old]) == {"deactivate_date"}
    assert jobs.commits() == 4

    lab.clock(days=45)
    jobs.run().ok()
    assert jobs.saved()["ci"].get("other_keys", {}) == {}
    assert [key.access_key_id for key in lab.state()["ci"].keys] == [new.access_key_id]
    assert jobs.commits() == 5
    assert git(jobs.repository, "ls-tree", "--name-only", "main").split() == ["README", STORE]


def test_a_push_that_fails_stops_the_run(lab: Lab, jobs: Jobs) -> None:
    """Nothing is made current or switched off; where the folder is kept the next job takes up what lies there."""
    _old, current = lab.seed("web", Key(age_days=200, used_days=100), Key(age_days=8, used_days=1)).keys
    jobs.save({"web": {"access_key_id": current.access_key_id, "secret_access_key": current.secret_access_key}})
    lab.seed("ci", Key(age_days=100, used_days=2))
    hook = jobs.repository / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho nobody may push today >&2\nexit 1\n")
    hook.chmod(0o755)
    commits = jobs.commits()
    job = jobs.new()
    lab.clear_requests()

    failed = jobs.run(job)

    assert failed.rc == 2
    assert [task.task for task in failed.failed] == ["Commit and push the store"]
    assert "nobody may push today" in failed.output
    assert [(request.action, request.user) for request in writes(lab)] == [("CreateAccessKey", "ci")]
    # Neither made current nor asked for at STS.
    assert [request.action for request in lab.requests(user="ci") if request.service == "sts"] == []
    entry = open_store(job / "store" / STORE)["iam_access_keys"]["ci"]
    new = lab.state()["ci"].keys[1]
    assert next_of(entry) == [new.access_key_id] and "access_key_id" not in entry
    assert len(lab.state()["web"].active) == 2
    assert jobs.commits() == commits

    hook.unlink()
    lab.clear_requests()
    jobs.run(job).ok()

    assert [(request.action, request.user) for request in writes(lab)] == [("UpdateAccessKey", "web")]
    assert jobs.saved()["ci"]["access_key_id"] == new.access_key_id
    assert len(lab.state()["ci"].keys) == 2


def test_a_job_that_dies_after_the_push(lab: Lab, jobs: Jobs) -> None:
    """Its folder is gone. Another job makes the key current that the repository has as next, and knows a leftover by what was asked."""
    lab.seed("ci", Key(age_days=100, used_days=2))
    (webs_old,) = lab.seed("web", Key(age_days=100, used_days=2)).keys
    # One user's failure is no reason to lose what was stored for others: this key is made, and nobody learns its secret.
    lab.fault("cut", "CreateAccessKey", user="web", when="after")
    lab.fault("kill", "GetCallerIdentity", user="ci")
    assert jobs.run().rc != 0
    (new,) = next_of(jobs.saved()["ci"])
    assert jobs.saved()["web"]["asked"]["known"] == [webs_old.access_key_id]
    lab.clear_faults()

    run = jobs.run().ok()

    assert jobs.saved()["ci"]["access_key_id"] == new
    assert [key.access_key_id for key in lab.state()["ci"].keys][1:] == [new]
    assert "web" in run.output and "leftover" in run.output
    assert len(lab.state()["web"].keys) == 2


def test_two_jobs_at_once(lab: Lab, jobs: Jobs) -> None:
    """Another account's file merges. The same file, saved by another job meanwhile, stops this one; what it stored is not lost."""
    lab.seed("ci", Key(age_days=100, used_days=2))
    other = jobs.clone("other")
    lab.fault("pause", "CreateAccessKey")
    running = jobs.start(jobs.new())
    lab.wait_paused()
    (other / FLEET_STORE).write_text("another account's\n")
    jobs.push(other)
    lab.release()
    running.wait().ok()
    assert sorted(git(jobs.repository, "ls-tree", "--name-only", "main").split()) == sorted(
        ["README", STORE, FLEET_STORE]
    )
    current = jobs.saved()["ci"]["access_key_id"]

    lab.seed("web", Key(age_days=100, used_days=2))
    git(other, "pull", "--quiet")
    lab.fault("pause", "CreateAccessKey")
    running = jobs.start(jobs.new())
    lab.wait_paused()
    store = open_store(other / STORE)
    write_store(other / STORE, {**store, "rotated_by": "another job"})
    jobs.push(other)
    lab.release()
    stopped = running.wait()

    assert stopped.rc == 2
    assert f"{STORE} was saved by another job meanwhile" in stopped.output
    assert jobs.saved()["ci"]["access_key_id"] == current and "web" not in jobs.saved()
    (branch,) = [line.strip("* ") for line in git(jobs.repository, "branch").splitlines() if "unmerged" in line]
    (new,) = next_of(jobs.saved(branch)["web"])
    assert lab.state()["web"].keys[1].access_key_id == new


def test_saved_to_s3(lab: Lab, controller: Controller) -> None:
    """docs/examples/save-to-s3.yml: the bucket has the key as next before it is made current, and as current at the end."""
    # The laboratory knows the signatures of IAM and STS only.
    lab.reset(check_signatures=False)
    lab.seed("ci", Key(age_days=100, used_days=2))
    bucket = {"amazon.aws.s3_bucket": {"name": "{{ store_bucket }}", "versioning": True}}
    role = {"ansible.builtin.import_role": {"name": "keyturn.iam.rotation"}}
    variables = {
        "rotation_users": ["*"],
        "rotation_vault_file": STORE,
        "rotation_verify_delay": 0,
        "rotation_on_stored": str(EXAMPLES / "save-to-s3.yml"),
        "store_bucket": "the-stores",
    }

    controller.run(play(bucket, role), extra_vars=variables).ok()

    s3 = lab.boto("s3")
    versions = s3.list_object_versions(Bucket="the-stores", Prefix=STORE)["Versions"]
    assert len(versions) == 2
    new = lab.state()["ci"].keys[1].access_key_id
    found = {}
    for version in versions:
        path = controller.folder / "saved.yml"
        path.write_bytes(s3.get_object(Bucket="the-stores", Key=STORE, VersionId=version["VersionId"])["Body"].read())
        found[version["IsLatest"]] = open_store(path)["iam_access_keys"]["ci"]
    assert next_of(found[False]) == [new]
    assert found[True]["access_key_id"] == new


def test_a_key_whose_secret_never_came(lab: Lab, jobs: Jobs) -> None:
    """What was asked for is saved although nothing else was: the next job knows the leftover."""
    lab.seed("ci", Key(age_days=100, used_days=2))
    lab.fault("cut", "CreateAccessKey", user="ci", when="after")
    assert jobs.run().msg == "ci: not done, see the report above"
    lab.clear_faults()

    assert "leftover" in jobs.run().ok().output
