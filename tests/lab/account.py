# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account that the laboratory plays: moto's IAM and STS, with the strictness of AWS that moto lacks, and another day's date.

moto keeps its state in module globals: there is one `World` a process.
"""

from __future__ import annotations

import fnmatch
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import moto.iam.models as iam_models
from lab.messages import (
    ACCOUNT,
    ADMIN_KEY,
    ADMIN_SECRET,
    Credentials,
    Key,
    KeyState,
    LastUse,
    Request,
    Settings,
    User,
    UserState,
)
from lab.unlike_moto import replacements, shown
from lab.wire import Answer, AwsError, Call, error_answer, rightly_signed, validate, wsgi_environ
from moto.core.request import Request as MotoRequest
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse
from moto.utilities.utils import get_partition


@dataclass(frozen=True)
class Signer:
    """Whose key signs a request."""

    access_key_id: str
    secret_access_key: str
    account_id: str
    arn: str
    user_id: str
    user_name: str | None = None
    session_token: str | None = None


@dataclass(frozen=True)
class Use:
    """A use of a key, and from when on AWS tells of it."""

    date: datetime
    service: str
    region: str
    visible: datetime


@dataclass
class NewKey:
    """What is remembered of a key that CreateAccessKey made: when (monotonic), and how often it was tried and left out of lists."""

    made: float
    tried: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class Earlier:
    """A user's keys as a list showed them before a change, and when (monotonic) that change was."""

    until: float
    keys: list[dict[str, Any]]


class World:
    """Accounts, clock and rules. The public methods are also the operations of the control endpoint `/_lab/<name>`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.others: Any = None
        self.undo: list[tuple[Any, str, Any]] = []
        self._clear()

    # -- the clock

    def now(self) -> datetime:
        """The laboratory's date, naive UTC as moto has it, in whole seconds."""
        return (datetime.now(UTC).replace(tzinfo=None) + self.offset).replace(microsecond=0)

    def http_date(self, seconds_ahead: float = 0) -> str:
        return format_datetime((self.now() + timedelta(seconds=seconds_ahead)).replace(tzinfo=UTC), usegmt=True)

    def clock(self, offset_days: float | None = None, advance_days: float = 0) -> dict[str, Any]:
        """Answer from another day; both left out only tells."""
        if offset_days is not None:
            self.offset = timedelta(days=offset_days)
        self.offset += timedelta(days=advance_days)
        return {"now": iso(self.now()), "offset_days": self.offset / timedelta(days=1)}

    # -- accounts and their users

    def install(self) -> None:
        """Put AWS's ways in place of moto's, in this process, until `uninstall`."""
        for holder, name, value in replacements(self):
            self.undo.append((holder, name, getattr(holder, name)))
            setattr(holder, name, value)

    def uninstall(self) -> None:
        for holder, name, original in reversed(self.undo):
            setattr(holder, name, original)
        self.undo.clear()

    def reset(self, **settings: Any) -> None:
        """An empty account, today, no rules but these settings."""
        accounts: list[Any] = [*iam_backends.values(), *sts_backends.values()]
        for account in accounts:
            account.reset()
        self._clear()
        self.settings(**settings)

    def _clear(self) -> None:
        self.offset = timedelta(0)
        self.rules = Settings()
        self.denied: list[tuple[str, str | None]] = []
        self.allowed: list[str] | None = None
        self.signers: dict[str, Signer] = {}
        self.new_keys: dict[str, NewKey] = {}
        self.uses: dict[str, list[Use]] = defaultdict(list)
        self.earlier: dict[str, list[Earlier]] = defaultdict(list)
        self.attached: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.account(ACCOUNT, ADMIN_KEY, ADMIN_SECRET)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change some settings; all of them as they are now. An unknown one is a ValueError."""
        unknown = changes.keys() - {field.name for field in fields(Settings)}
        if unknown:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        self.rules = replace(self.rules, **changes)
        iam_models.LIMIT_KEYS_PER_USER = self.rules.quota
        for account_id in {signer.account_id for signer in self.signers.values()}:
            self._summarise(account_id)
        return asdict(self.rules)

    def account(
        self, account_id: str, access_key_id: str | None = None, secret_access_key: str | None = None
    ) -> dict[str, Any]:
        """A key that may do everything in this account, and belongs to none of the users that ListUsers shows."""
        access_key_id = access_key_id or f"AKIAADMIN{int(account_id) % 10**11:011d}"
        signer = Signer(
            access_key_id=access_key_id,
            secret_access_key=secret_access_key or f"secret/of/the/admin/of/{account_id}",
            account_id=account_id,
            arn=f"arn:aws:iam::{account_id}:user/lab/admin",
            user_id=f"AIDALAB{int(account_id):014d}",
        )
        self.signers[access_key_id] = signer
        self._summarise(account_id)
        return asdict(Credentials(access_key_id, signer.secret_access_key, account_id))

    def _summarise(self, account_id: str) -> None:
        summary = backend(account_id).account_summary
        summary._access_keys_per_user_quota = self.rules.quota
        summary._account_access_keys_present = int(self.rules.root_access_key_present)

    def seed(self, users: list[dict[str, Any]], account_id: str = ACCOUNT) -> list[dict[str, Any]]:
        """Put users with keys of any age and number into the account."""
        made = []
        for given in users:
            wanted = User(**{**given, "keys": tuple(Key(**key) for key in given.get("keys", ()))})
            home = backend(account_id)
            user = home.create_user("us-east-1", wanted.user_name, wanted.path, _tag_list(wanted.tags))
            user.create_date = self._ago(wanted.age_days)
            user.id = wanted.user_id or user.id
            for key in wanted.keys:
                self._put_key(account_id, user, key)
            made.append(asdict(self._user_state(account_id, user)))
        return made

    def add_key(self, user_name: str, key: dict[str, Any], account_id: str = ACCOUNT) -> dict[str, Any]:
        """One more key for a user, quota or not."""
        return asdict(self._key_state(self._put_key(account_id, backend(account_id).get_user(user_name), Key(**key))))

    def _put_key(self, account_id: str, user: Any, wanted: Key) -> Any:
        # moto's own code makes one so, whatever its abstract base says.
        make: Any = iam_models.AccessKey
        key = make(user.name, prefix="AKIA", account_id=account_id, status=wanted.status)
        key.access_key_id = wanted.access_key_id or key.access_key_id
        key.secret_access_key = wanted.secret_access_key or key.secret_access_key
        key.create_date = self._ago(wanted.age_days)
        user.access_keys.append(key)
        backend(account_id).access_keys[key.access_key_id] = key
        if wanted.used_days is not None:
            self.use(key.access_key_id, wanted.used_days, wanted.service, wanted.region)
        return key

    def set_key(
        self, access_key_id: str, status: str | None = None, age_days: float | None = None, account_id: str = ACCOUNT
    ) -> dict[str, Any]:
        """Change a key as a person would in the console, or its age."""
        key = backend(account_id).access_keys[access_key_id]
        key.status = status or key.status
        if age_days is not None:
            key.create_date = self._ago(age_days)
        return asdict(self._key_state(key))

    def delete_key(self, access_key_id: str, account_id: str = ACCOUNT) -> None:
        home = backend(account_id)
        home.delete_access_key(access_key_id, str(home.access_keys[access_key_id].user_name))

    def use(self, access_key_id: str, days_ago: float = 0, service: str = "s3", region: str = "us-east-1") -> None:
        """A use of the key that AWS tells of at once."""
        date = self._ago(days_ago)
        self.uses[access_key_id].append(Use(date, service, region, date))

    def forget_uses(self, access_key_id: str) -> None:
        self.uses.pop(access_key_id, None)

    def rename_user(self, user_name: str, new_name: str, account_id: str = ACCOUNT) -> dict[str, Any]:
        """The same user id and keys under another name."""
        home = backend(account_id)
        home.update_user(user_name, new_user_name=new_name)
        return asdict(self._user_state(account_id, home.get_user(new_name)))

    def delete_user(self, user_name: str, account_id: str = ACCOUNT) -> None:
        """The user with all its keys."""
        home = backend(account_id)
        for key in list(home.get_user(user_name).access_keys):
            self.delete_key(key.access_key_id, account_id)
        home.delete_user(user_name)

    def recreate_user(self, user_name: str, account_id: str = ACCOUNT) -> dict[str, Any]:
        """Delete the user and make another of the same name: another user id, no keys."""
        path = backend(account_id).get_user(user_name).path
        self.delete_user(user_name, account_id)
        return self.seed([{"user_name": user_name, "path": path, "age_days": 0}], account_id)[0]

    def attach(self, user_name: str, policy: str, account_id: str = ACCOUNT) -> None:
        """Attach a policy of AWS's own, whatever it permits, as AWS does to quarantine a user."""
        self.attached[account_id, policy].add(backend(account_id).get_user(user_name).id)

    def state(self, account_id: str = ACCOUNT) -> list[dict[str, Any]]:
        """All users as they truly are, secrets too."""
        users = backend(account_id).users.values()
        return [asdict(self._user_state(account_id, user)) for user in sorted(users, key=lambda user: user.name)]

    def deny(self, action: str, user: str | None = None) -> None:
        """Refuse an action (name or pattern), for one user or all."""
        self.denied.append((action, user))

    def allow_only(self, actions: list[str] | None = None) -> None:
        """Refuse all actions but these (names or patterns, with or without `iam:`); None lifts it."""
        self.allowed = [action.partition(":")[2] or action for action in actions] if actions is not None else None

    def allow_all(self) -> None:
        """Lift what `deny` and `allow_only` laid down."""
        self.denied.clear()
        self.allowed = None

    def _ago(self, days: float) -> datetime:
        return (self.now() - timedelta(days=days)).replace(microsecond=0)

    def last_use(self, access_key_id: str, at: datetime | None = None) -> LastUse | None:
        shown = [use for use in self.uses.get(access_key_id, ()) if at is None or use.visible <= at]
        last = max(shown, key=lambda use: use.date, default=None)
        return LastUse(iso(last.date), last.service, last.region) if last else None

    def _key_state(self, key: Any) -> KeyState:
        last_use = self.last_use(key.access_key_id)
        return KeyState(
            key.access_key_id, key.secret_access_key, key.user_name, key.status, iso(key.create_date), last_use
        )

    def _user_state(self, account_id: str, user: Any) -> UserState:
        return UserState(
            user_name=user.name,
            user_id=user.id,
            account_id=account_id,
            path=user.path,
            arn=user.arn,
            create_date=iso(user.create_date),
            tags={tag["Key"]: tag["Value"] for tag in user.tags or []},
            keys=tuple(self._key_state(key) for key in user.access_keys),
        )

    # -- requests

    def user_of(self, call: Call, params: dict[str, str]) -> str | None:
        """The user that a request is about: named, owner of the key it names, or the signer."""
        if "UserName" in params:
            return params["UserName"]
        signer = self.signer(params.get("AccessKeyId") or call.access_key, call.region)
        return signer.user_name if signer else None

    def account_of(self, call: Call) -> str | None:
        signer = self.signer(call.access_key, call.region)
        return signer.account_id if signer else None

    def answer(self, call: Call, request: Request) -> Answer:
        """What AWS would answer; the request has taken effect when this returns without an error."""
        try:
            with self.lock:
                signer = self._authenticate(call)
                self._authorize(signer, request)
                validate(request.params)
                self._record_use(signer, request, call.region)
                return self._execute(call, signer, request)
        except AwsError as error:
            return error_answer(request.service, error.status, error.code, error.message)

    def _authenticate(self, call: Call) -> Signer | None:
        if not self.rules.check_signatures:
            return self.signer(call.access_key, call.region)
        if not call.scope:
            raise AwsError(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        signer = self.signer(call.access_key, call.region)
        if (
            signer is None
            or not self._accepted(signer)
            or signer.session_token != call.headers.get("x-amz-security-token")
        ):
            raise AwsError(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if not rightly_signed(call, signer.secret_access_key):
            raise AwsError(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. "
                "Consult the service documentation for details.",
            )
        return signer

    def signer(self, access_key_id: str | None, region: str) -> Signer | None:
        if access_key_id is None:
            return None
        if access_key_id in self.signers:
            return self.signers[access_key_id]
        partition = get_partition(region)
        for account_id in list(iam_backends):
            home = iam_backends[account_id][partition]
            key = home.access_keys.get(access_key_id)
            if key is not None and key.user_name in home.users:
                user = home.users[key.user_name]
                return Signer(access_key_id, key.secret_access_key, account_id, user.arn, user.id, user.name)
        for account_id in list(sts_backends):
            for role in sts_backends[account_id][partition].assumed_roles:
                if role.access_key_id == access_key_id:
                    return Signer(
                        access_key_id,
                        role.secret_access_key,
                        role.account_id,
                        role.arn,
                        role.user_id,
                        None,
                        role.session_token,
                    )
        return None

    def _accepted(self, signer: Signer) -> bool:
        if signer.user_name is None:
            return True
        key = backend(signer.account_id, signer.arn.split(":")[1]).access_keys[signer.access_key_id]
        if key.status != "Active":
            return False
        new = self.new_keys.get(signer.access_key_id)
        if new is None:
            return True
        if time.monotonic() < new.made + self.rules.new_key_refused_seconds:
            return False
        new.tried += 1
        return new.tried > len(self.rules.new_key_answers) or self.rules.new_key_answers[new.tried - 1]

    def _authorize(self, signer: Signer | None, request: Request) -> None:
        if request.service != "iam":
            return
        who = signer.arn if signer else f"arn:aws:iam::{ACCOUNT}:user/moto"
        permitted = self.allowed is None or any(fnmatch.fnmatchcase(request.action, action) for action in self.allowed)
        for action, user in self.denied:
            if fnmatch.fnmatchcase(request.action, action.removeprefix("iam:")) and user in (None, request.user):
                permitted = False
        unknown = (
            request.params.get("AccessKeyId")
            if request.action == "GetAccessKeyLastUsed" and self.rules.unknown_key_denied
            else None
        )
        if unknown and not self._owned(unknown, signer):
            permitted = False
        if not permitted:
            raise AwsError(
                403,
                "AccessDenied",
                f"User: {who} is not authorized to perform: iam:{request.action} on resource: {_resource(request, who)} "
                f"because no identity-based policy allows the iam:{request.action} action",
            )

    def _owned(self, access_key_id: str, signer: Signer | None) -> bool:
        account_id = signer.account_id if signer else ACCOUNT
        partition = signer.arn.split(":")[1] if signer else "aws"
        home = backend(account_id, partition)
        return access_key_id in home.access_keys and home.access_keys[access_key_id].user_name in home.users

    def _record_use(self, signer: Signer | None, request: Request, region: str) -> None:
        lag = self.rules.last_use_lag_hours
        if lag is None or signer is None or signer.user_name is None:
            return
        now = self.now()
        uses = self.uses[signer.access_key_id]
        # AWS's own grain is coarser than a minute, and a list for each request would grow without end.
        if not uses or now - uses[-1].date >= timedelta(minutes=1) or lag == 0:
            uses.append(Use(now, request.service, region, now + timedelta(hours=lag)))

    def _execute(self, call: Call, signer: Signer | None, request: Request) -> Answer:
        environ = wsgi_environ(call)
        if signer is not None:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = signer.account_id
        responder = {"iam": IamResponse, "sts": TokenResponse}.get(request.service)
        if responder is None:
            return self._elsewhere(environ)
        moto_request = MotoRequest(environ)
        try:
            status, headers, body = responder.dispatch(moto_request, moto_request.raw_url, moto_request.headers)
        except NotImplementedError:
            raise AwsError(
                400, "InvalidAction", f"Could not find operation {request.action} for version 2010-05-08"
            ) from None
        text = body if isinstance(body, str) else body.decode()
        error = text.partition("<Code>")[2].partition("</Code>")[0] if int(status) >= 400 else None
        return Answer(int(status), text.encode(), headers.get("Content-Type", "text/xml"), error)

    def _elsewhere(self, environ: dict[str, Any]) -> Answer:
        """Other services are moto's as they are."""
        if self.others is None:
            self.others = DomainDispatcherApplication(create_backend_app)
        heard: dict[str, Any] = {}

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], None]:
            heard.update(
                status=int(status.split(maxsplit=1)[0]), headers={name.lower(): value for name, value in headers}
            )
            return lambda data: None

        body = b"".join(self.others(environ, start_response))
        return Answer(heard["status"], body, heard["headers"].get("content-type", "text/xml"))

    # -- lists that lag

    def listed(self, user: Any) -> list[dict[str, Any]]:
        """The keys that ListAccessKeys shows: all as they were a while ago, or a new one left out, as the settings have it."""
        then = time.monotonic() - self.rules.stale_lists_seconds
        keys = next(
            (earlier.keys for earlier in self.earlier[user.id] if earlier.until > then), shown(user.access_keys)
        )
        return [key for key in keys if not self._left_out(key["AccessKeyId"])]

    def _left_out(self, access_key_id: str) -> bool:
        new = self.new_keys.get(access_key_id)
        if new is None:
            return False
        if time.monotonic() < new.made + self.rules.hide_new_keys_seconds:
            return True
        if new.left_out < self.rules.hide_new_keys_requests:
            new.left_out += 1
            return True
        return False

    def made(self, access_key_id: str) -> None:
        """A request made this key just now."""
        self.new_keys[access_key_id] = NewKey(time.monotonic())

    def remember(self, home: IAMBackend, user_name: str, before: list[dict[str, Any]]) -> None:
        self.earlier[home.get_user(user_name).id].append(Earlier(time.monotonic(), before))


def backend(account_id: str, partition: str = "aws") -> IAMBackend:
    return iam_backends[account_id][partition]


def iso(date: datetime) -> str:
    return date.replace(tzinfo=UTC, microsecond=0).isoformat()


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _resource(request: Request, who: str) -> str:
    account_id = who.split(":")[4]
    if "UserName" in request.params:
        return f"user {request.params['UserName']}"
    if request.action == "GetAccessKeyLastUsed":
        return f"access key {request.params.get('AccessKeyId')}"
    if request.action == "ListUsers":
        return f"arn:aws:iam::{account_id}:user{request.params.get('PathPrefix', '/')}"
    return "*"
