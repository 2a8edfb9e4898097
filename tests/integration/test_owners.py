# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners are told by mail and in a chat: docs/examples has both, and they are run here as they are, in one run."""

from __future__ import annotations

import email
import email.message
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller as MailServer
from controller.runner import Controller
from lab.client import Lab
from lab.messages import Key

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


class Mailbox:
    """What a mail server on this machine has received."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], email.message.EmailMessage]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, email.message.EmailMessage)
        self.mails.append((envelope.rcpt_tos, message))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[tuple[int, Mailbox]]:
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:  # the server says no port but the one that it was told
        port = free.getsockname()[1]
    server = MailServer(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield port, mailbox
    finally:
        server.stop()


@contextmanager
def chat_server() -> Iterator[tuple[str, list[str]]]:
    texts: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_unused: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", texts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_owners_are_told_by_mail_and_in_a_chat(lab: Lab, controller: Controller) -> None:
    team, other = {"owner": "team@example.com"}, {"owner": "other@example.com"}
    old = lab.seed("ci", Key(120, used_days=1), tags=team).keys[0].access_key_id
    lab.seed("full", Key(120, used_days=1), Key(110, used_days=1), tags=team)
    lab.seed("soon", Key(70, used_days=1), tags=other)
    lab.seed("fine", Key(5), tags={"owner": "nobody-to-tell@example.com"})
    lab.seed("nobodys", Key(120, used_days=1))
    with mail_server() as (port, mailbox), chat_server() as (hook, texts):
        variables = {"rotation_users": ["*"], "mail_port": port, "mail_host": "127.0.0.1", "chat_webhook": hook}
        both = "".join(f"- import_playbook: {EXAMPLES}/tell-owners-{how}.yml\n" for how in ("by-mail", "in-chat"))
        run = controller.run(both, extra_vars=variables).ok()
    assert [owners for owners, _mail in mailbox.mails] == [
        ["other@example.com"],
        ["team@example.com"],
        ["iam-admins@example.com"],
    ]
    about_team = mailbox.mails[1][1]
    assert about_team["Subject"] == "Access keys of account 123456789012: 1 blocked, 1 due"
    text = about_team.get_body().get_content()
    assert "\nci\n" in text and "would make a new key: " in text and f"Key {old}: Active, age 120d" in text
    assert "full\n  blocked: " in text and "- keyturn.iam.iam_access_key: {user_name: full," in text
    assert [message.split(":", 1)[0] for message in texts] == [
        "other@example.com",
        "team@example.com",
        "Users without an owner",
    ]
    assert text.strip() in texts[1] and "\nsoon\n  due soon: " in texts[0] and "nobodys\n" in texts[2]
    assert len(run.tasks("Audit")) == 2, "the chat is told of the audit that the mails were about"
    assert not [one for one in lab.requests() if not one.action.startswith(("Get", "List"))]
