# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keys are carried to: as much of the APIs of GitHub, GitLab, HashiCorp Vault and Kubernetes as the modules ask for."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from nacl.public import PrivateKey, SealedBox

TOKEN = "token-of-the-destination"


@dataclass
class Destinations:
    """A server that has what it was given: secrets and variables by name, the store's data and Kubernetes' by path."""

    github: dict[str, str] = field(default_factory=dict)
    gitlab: dict[str, str] = field(default_factory=dict)
    vault: dict[str, Any] = field(default_factory=dict)
    kubernetes: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    key: PrivateKey = field(default_factory=PrivateKey.generate)

    def start(self) -> Destinations:
        there = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments: Any) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                tokens = " ".join(self.headers.get(name) or "" for name in _TOKENS)
                status, said = 401, None
                if TOKEN in tokens:
                    status, said = there.answer(
                        self.command, unquote(urlsplit(self.path).path), json.loads(body or "{}")
                    )
                text = json.dumps(said).encode() if said is not None else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = answer

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        return self

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.startswith("/repos/"):
            return self._github(path.rpartition("/")[2], body)
        if path.startswith("/api/v4/"):
            return self._gitlab(method, path.removeprefix("/api/v4/"), body)
        if path.startswith("/v1/secret/data/"):
            return self._vault(method, path.removeprefix("/v1/secret/data/"), body)
        if path in _DISCOVERY:
            return 200, _DISCOVERY[path]
        if path.startswith(_SECRETS):
            return self._kubernetes(method, path.removeprefix(_SECRETS), body)
        return 404, {"message": f"{method} {path} is unknown here"}

    def _github(self, name: str, body: Any) -> tuple[int, Any]:
        if name == "public-key":
            return 200, {"key_id": "1", "key": base64.b64encode(bytes(self.key.public_key)).decode()}
        self.github[name] = SealedBox(self.key).decrypt(base64.b64decode(body["encrypted_value"])).decode()
        return 201, {}

    def _gitlab(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if not path.endswith("/variables") and "/variables/" not in path:
            return 200, {"id": 1, "path_with_namespace": "team/web", "username": "rotation"}
        if method == "POST":
            self.gitlab[body["key"]] = body["value"]
            return 201, body
        if method == "DELETE":
            self.gitlab.pop(path.rsplit("/", 1)[-1])
            return 204, None
        return 200, [_variable(key, value) for key, value in self.gitlab.items()]

    def _vault(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method != "GET":
            self.vault[path] = body["data"]
            return 200, {"data": {"version": 1}}
        if path not in self.vault:
            return 404, {"errors": []}
        return 200, {"data": {"data": self.vault[path], "metadata": {"version": 1}}}

    def _kubernetes(self, method: str, name: str, body: Any) -> tuple[int, Any]:
        if method != "GET":
            self.kubernetes[body["metadata"]["name"]] = body["stringData"]
            return 201, body
        return 404, {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": f"no {name}"}


_SECRETS = "/api/v1/namespaces/builds/secrets"
_SECRET = {
    "name": "secrets",
    "singularName": "",
    "namespaced": True,
    "kind": "Secret",
    "verbs": ["create", "get", "patch"],
}
_DISCOVERY = {
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [_SECRET]},
}
_TOKENS = ("Authorization", "PRIVATE-TOKEN", "X-Vault-Token")


def _variable(key: str, value: str) -> dict[str, Any]:
    plain = {"masked": False, "hidden": False, "protected": False, "raw": False, "description": None}
    return {"key": key, "value": value, "environment_scope": "*", "variable_type": "env_var", **plain}
