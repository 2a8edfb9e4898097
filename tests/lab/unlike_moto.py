# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS does otherwise than moto, to be put in place of moto's functions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import moto.iam.models as iam_models
from moto.core.responses import ActionResult
from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists, NoSuchEntity, ValidationError
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse
from moto.iam.utils import generate_access_key_id_from_account_id
from moto.sts.responses import TokenResponse

if TYPE_CHECKING:
    from lab.account import World


def replacements(world: World) -> list[tuple[Any, str, Any]]:
    """Holder, name and new value of each: user ids, dates, paging, lists and last uses that lag, renames, quotas."""
    create_access_key = IAMBackend.create_access_key
    update_access_key = IAMBackend.update_access_key
    delete_access_key = IAMBackend.delete_access_key
    update_user = IAMBackend.update_user
    delete_user = IAMBackend.delete_user
    init_user = iam_models.User.__init__

    def make_user(self: Any, account_id: str, region_name: str, name: str, path: str | None = None) -> None:
        init_user(self, account_id, region_name, name, path)
        self.id = generate_access_key_id_from_account_id(account_id, "AIDA", 21)

    def make_key(self: IAMBackend, user_name: str, *args: Any, **kwargs: Any) -> Any:
        before = shown(self.get_user(user_name).access_keys)
        key = create_access_key(self, user_name, *args, **kwargs)
        world.made(key.access_key_id)
        world.remember(self, user_name, before)
        return key

    def change_key(self: IAMBackend, user_name: str, access_key_id: str, status: str | None = None) -> Any:
        if status not in ("Active", "Inactive"):
            raise ValidationError(
                f"1 validation error detected: Value at 'status' failed to satisfy constraint: Member must satisfy enum value set: "
                f"[Active, Inactive], not {status}"
            )
        before = shown(self.get_user(user_name).access_keys)
        key = update_access_key(self, user_name, access_key_id, status)
        world.remember(self, user_name, before)
        return key

    def remove_key(self: IAMBackend, access_key_id: str, user_name: str) -> None:
        before = shown(self.get_user(user_name).access_keys)
        delete_access_key(self, access_key_id, user_name)
        world.remember(self, user_name, before)

    def rename(self: IAMBackend, user_name: str, new_path: str | None = None, new_user_name: str | None = None) -> None:
        user = self.get_user(user_name)
        if new_user_name and new_user_name != user_name and new_user_name in self.users:
            raise EntityAlreadyExists(f"User with name {new_user_name} already exists.")
        tags = user.tags or []
        self.tagger.delete_all_tags_for_resource(user.arn)
        update_user(self, user_name, new_path, new_user_name)
        self.tagger.tag_resource(user.arn, tags)
        for key in user.access_keys:
            key.user_name = user.name

    def remove(self: IAMBackend, user_name: str) -> None:
        if self.get_user(user_name).access_keys:
            raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
        delete_user(self, user_name)

    def list_users(self: IamResponse) -> ActionResult:
        prefix = self._get_param("PathPrefix") or "/"
        users = sorted(
            (user for user in self.backend.users.values() if user.path.startswith(prefix)), key=lambda user: user.name
        )
        page, rest = _page(self, users, lambda user: user.name, world.rules.page_size)
        found = [
            {
                "Path": user.path,
                "UserName": user.name,
                "UserId": user.id,
                "Arn": user.arn,
                "CreateDate": user.create_date,
            }
            for user in page
        ]
        return ActionResult({"Users": found, **rest})

    def list_access_keys(self: IamResponse) -> ActionResult:
        signer = world.signer(self.access_key, self.region)
        name = self._get_param("UserName") or (signer.user_name if signer else None)
        keys = world.listed(self.backend.get_user(name)) if name else []
        page, rest = _page(self, keys, lambda key: key["AccessKeyId"], world.rules.keys_page_size)
        return ActionResult({"UserName": name, "AccessKeyMetadata": page, **rest})

    def get_access_key_last_used(self: IamResponse) -> ActionResult:
        access_key_id = self._get_param("AccessKeyId")
        key = self.backend.access_keys.get(access_key_id)
        if key is None or key.user_name not in self.backend.users:
            raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")
        use = world.last_use(access_key_id, world.now())
        last_used = {"ServiceName": use.service if use else "N/A", "Region": use.region if use else "N/A"}
        return ActionResult(
            {
                "UserName": key.user_name,
                "AccessKeyLastUsed": {**last_used, **({"LastUsedDate": use.date} if use else {})},
            }
        )

    def list_policies(self: IamResponse) -> ActionResult:
        """Those of AWS's own that are attached; moto knows of none unless it loads them all."""
        if self._get_param("Scope") != "AWS" or not self._get_bool_param("OnlyAttached"):
            raise NotImplementedError
        names = sorted(policy for account_id, policy in world.attached if account_id == self.current_account)
        page, rest = _page(self, names, str, world.rules.page_size)
        found = [{"PolicyName": name, "Arn": _policy_arn(name), "AttachmentCount": 1} for name in page]
        return ActionResult({"Policies": found, **rest})

    def list_entities_for_policy(self: IamResponse) -> ActionResult:
        if self._get_param("EntityFilter") != "User":
            raise NotImplementedError
        name = self._get_param("PolicyArn").partition("/")[2]
        ids = world.attached.get((self.current_account, name))
        if ids is None:
            raise NoSuchEntity(f"Policy {self._get_param('PolicyArn')} does not exist or is not attachable.")
        users = sorted((user for user in self.backend.users.values() if user.id in ids), key=lambda user: user.name)
        page, rest = _page(self, users, lambda user: user.name, world.rules.page_size)
        found = [{"UserName": user.name, "UserId": user.id} for user in page]
        return ActionResult({"PolicyUsers": found, "PolicyGroups": [], "PolicyRoles": [], **rest})

    def get_caller_identity(self: TokenResponse) -> ActionResult:
        signer = world.signer(self.access_key, self.region)
        arn = signer.arn if signer else f"arn:{self.partition}:sts::{self.current_account}:user/moto"
        user_id = signer.user_id if signer else "AIDALABORATORYSTRANGER"
        return ActionResult(
            {"UserId": user_id, "Account": signer.account_id if signer else self.current_account, "Arn": arn}
        )

    return [
        (iam_models, "utcnow", world.now),
        (iam_models, "mark_account_as_visited", lambda **_: None),
        (iam_models, "LIMIT_KEYS_PER_USER", world.rules.quota),
        (iam_models.User, "__init__", make_user),
        (IAMBackend, "create_access_key", make_key),
        (IAMBackend, "update_access_key", change_key),
        (IAMBackend, "delete_access_key", remove_key),
        (IAMBackend, "update_user", rename),
        (IAMBackend, "delete_user", remove),
        (IamResponse, "list_users", list_users),
        (IamResponse, "list_access_keys", list_access_keys),
        (IamResponse, "get_access_key_last_used", get_access_key_last_used),
        (IamResponse, "list_policies", list_policies),
        (IamResponse, "list_entities_for_policy", list_entities_for_policy),
        (TokenResponse, "get_caller_identity", get_caller_identity),
    ]


def _policy_arn(name: str) -> str:
    return f"arn:aws:iam::aws:policy/{name}"


def _page(response: Any, items: list[Any], name: Callable[[Any], str], limit: int) -> tuple[list[Any], dict[str, Any]]:
    """One page of a listing and what says whether there is more. A marker names the last item shown, which may be gone since."""
    wanted = min(int(response._get_param("MaxItems") or limit), limit)
    start = 0
    if marker := response._get_param("Marker"):
        try:
            position, last = base64.urlsafe_b64decode(marker).decode().split(" ", 1)
        except ValueError:
            raise ValidationError(f"Invalid Marker: {marker}") from None
        names = [name(item) for item in items]
        start = names.index(last) + 1 if last in names else int(position) - 1
    page = items[start : start + wanted]
    if start + wanted >= len(items):
        return page, {"IsTruncated": False}
    return page, {
        "IsTruncated": True,
        "Marker": base64.urlsafe_b64encode(f"{start + len(page)} {name(page[-1])}".encode()).decode(),
    }


def shown(keys: Iterable[Any]) -> list[dict[str, Any]]:
    """Keys as ListAccessKeys shows them."""
    return [
        {
            "UserName": key.user_name,
            "AccessKeyId": key.access_key_id,
            "Status": key.status,
            "CreateDate": key.create_date,
        }
        for key in keys
    ]
