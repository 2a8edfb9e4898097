# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of one access key, which iam_access_key and iam_access_keys have in common."""

    DOCUMENTATION = r"""
options:
  user_name:
    description: The IAM user whose access key it is. Required, except with O(leaked=true), where IAM is asked whose key
      it is.
    type: str
    aliases: [username]
  access_key_id:
    description:
      - Which access key. Needed for O(state=absent), and to switch a key on or off with O(active).
      - For the stored C(next) key, with O(active) left out, the task verifies that key, makes it current, and makes
        none.
    type: str
    aliases: [id]
  state:
    description:
      - V(present) makes or keeps an access key; V(absent) deletes the one that O(access_key_id) names.
      - With O(vault_file), V(absent) also removes the key from the store, for a key or user that IAM no longer has too.
    type: str
    choices: [present, absent]
    default: present
  active:
    description:
      - Whether the access key is Active (V(true)) or Inactive (V(false)).
      - Left out, a new key is Active and an old one stays as it is.
      - V(false) needs O(access_key_id), or O(max_age_days=0) for a new key without O(vault_file).
    type: bool
    aliases: [enabled]
  secret_access_key:
    description:
      - With O(vault_file) and O(access_key_id), adopts a key that exists. STS must accept the pair as the user's own,
        then it is stored and current. What was current stays as it is in IAM, and in the store as C(previous).
      - Refused for another user's key, for a key that is not Active or was revoked, and for one that is stored with
        another secret or in another stage.
    type: str
  carried:
    description:
      - With O(vault_file), V(true) notes that the current key has been carried to where it is used, by a person or by
        other means than C(rotation_on_promoted) of the role P(keyturn.iam.rotation#role). V(false) has it carried
        (again). No key is made.
      - With O(access_key_id), refused unless that one is the current key.
    type: bool
  stage:
    description:
      - With O(vault_file) and O(access_key_id), V(current) makes that stored key the current one (again), which is a
        rollback. It is switched on where it is Inactive, and becomes current once STS accepts it. What was current
        stays Active, as C(previous).
    type: str
    choices: [current]
  hold_days:
    description:
      - With O(vault_file) and O(stage=current) or O(active=true), the rotation leaves the user's keys as they are for
        so many days from then on. V(0) ends that.
      - Left out, that stays as it is. Where nothing else is to be done and the keys are held already, they are not held
        for longer.
    type: float
  leaked:
    description:
      - V(true), with O(active=false), says that the key is in wrong hands. The request to switch it off goes out first,
        whatever a list, a store or a lock says. Then the store of O(vault_file) notes that it was revoked, which ends a
        hold (O(hold_days)); the key is current no longer, and no task with that O(vault_file) switches it on again.
      - Refused for the key that signs the task's own requests.
      - V(false), with O(active=true) or O(stage=current), says that a revoked key is safe all the same.
    type: bool
  max_age_days:
    description:
      - An Active access key that is this many days old or older does not satisfy the task. V(0) means that none does,
        so that each run makes a new key.
      - Cannot be combined with O(access_key_id).
    type: float
  replaces:
    description:
      - An access key id. A new key is made only while this one is Active, else the task is refused,
        since somebody changed the user's keys between the plan and its execution.
    type: str
  at_limit:
    description:
      - What to do when a new key is needed and the user has as many as the account's quota allows.
      - V(fail) fails, in check mode too.
      - V(delete_inactive) deletes the oldest Inactive key, and fails where none is Inactive.
      - V(delete_oldest) deletes the oldest key, be it in use or not, see O(min_idle_days).
      - The stored current and next key, and the one that O(replaces) names, are never deleted.
    type: str
    choices: [fail, delete_inactive, delete_oldest]
    default: fail
  replacement:
    description:
      - With O(active=false) and O(access_key_id), the key that has replaced it. The task is refused unless that one is
        in force, with O(vault_file) as the store's current, and unless the user's keys are held (C(hold_until)).
      - This is for what may happen between a plan and its execution, as O(replaces) is.
    type: str
  assume_deleted:
    description:
      - Keys that an earlier task of the same run deletes. In check mode they are still there, and are taken for deleted
        here.
      - Without check mode this says nothing.
    type: list
    elements: str
    default: []
  min_idle_days:
    description:
      - With O(active=false), O(state=absent) and deletions by O(at_limit), refuse when the key was used within so many
        days, or when its last use cannot be read. Read just before the write. AWS records uses with a delay of hours.
      - With O(state=absent) and O(vault_file), refuse an Active key too, except for what an interrupted task left.
    type: float
  noted:
    description:
      - With O(state=absent), O(min_idle_days) and O(vault_file), refuse unless the store still notes that the
        collection switched the key off. Who takes a key back into use takes that note back.
      - With O(stage=current), or O(active=true) and O(hold_days), and O(vault_file), refuse to switch a key on that
        does not have that note, for another hand has switched it off.
      - With O(active=true) alone, and O(vault_file), take the note of an Active key back, and refuse an Inactive one.
        Nothing is switched on.
      - This is for what may happen between a plan and its execution, as O(replaces) is.
    type: bool
    default: false
  ask_again:
    description:
      - With O(vault_file), make another key although no answer came to the request for one less than an hour ago, and
        its key has not shown yet. The key that shows later is nobody's then; it is reported, and has to be deleted by
        hand.
    type: bool
    default: false
  vault_file:
    description:
      - Keep the secret in this Ansible Vault file on the controller. The task is then satisfied by an Active key that
        is the store's current.
      - The file is made where it does not exist, with mode 0600; its folder must exist. It is not made with a password
        that was typed once at a prompt; make it with C(ansible-vault create) then.
      - Refused where the file lies in a folder that is thrown away with a job (AWX and CI runners), unless the variable
        C(keyturn_store_is_saved) is V(true). With O(leaked=true) it is not refused.
      - A relative path counts from the folder in which ansible-playbook was started.
      - A task with this option runs in the controller's process, and is refused with a remote connection, C(become) or
        C(async).
    type: path
  vault_id:
    description:
      - The vault identity to encrypt with. By default the file's own, for a new file what C(ansible-vault encrypt)
        would take.
    type: str
  verify:
    description:
      - With O(vault_file), wait until STS accepts the new key, then make it current. V(false) leaves it stored as
        C(next).
    type: bool
    default: true
  verify_delay:
    description: Accept a new key no sooner than this many seconds after it was made.
    type: float
    default: 10
  verify_timeout:
    description: Give up after so many seconds in which STS did not accept the key. It stays stored as C(next) and the
      next run goes on with it.
    type: float
    default: 60
"""
