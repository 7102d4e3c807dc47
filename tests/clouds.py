"""Running clouds as their people see them: kubectl for the operator, `cs` for the CloudStack API, SQL to compare.

The demo and the cluster tests look through the same eyes.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cs
import yaml

from devcluster import toolchain

FLEET = "clouds"
EXAMPLES = Path(__file__).parents[1] / "examples"
_NAMESPACES = ("namespace", "from")  # fields of the examples that hold the name of one
TABLES = {
    "domain": """d.uuid, d.name, p.path parent, d.path, d.state, d.removed
        FROM domain d JOIN domain p ON p.id = d.parent""",
    "account": """a.uuid, a.account_name, a.type, a.state, d.path, a.removed
        FROM account a JOIN domain d ON d.id = a.domain_id WHERE a.`default` = 0""",
    "user": """u.uuid, u.username, u.firstname, u.lastname, u.email, u.state, u.password, u.api_key,
        a.uuid account, u.removed
        FROM user u JOIN account a ON a.id = u.account_id WHERE u.`default` = 0""",
}
"""Synced columns of the rows that people made; ROOT, system and admin are known by name: their uuids differ."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace, which is one fleet."""

    kubeconfig: str
    namespace: str = FLEET

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        return toolchain.run(toolchain.kubectl(), "--kubeconfig", self.kubeconfig, *arguments, input=stdin)

    def get(self, *arguments: str) -> Any:
        return json.loads(self("-n", self.namespace, "get", *arguments, "-o", "json"))

    def conditions(self, kind: str, name: str) -> dict[str, dict[str, str]]:
        """Conditions of an object by type; empty before the operator has looked at it."""
        status = self.get(kind, name).get("status") or {}
        return {item["type"]: item for item in status.get("conditions") or ()}

    def secret(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.get("secret", name)["data"].items()}

    @contextmanager
    def forward(self, service: str, port: int) -> Iterator[int]:
        """A local port that leads to a Service, while the block runs."""
        with self._serving("-n", self.namespace, "port-forward", service, f":{port}") as found:
            yield found

    @contextmanager
    def proxy(self) -> Iterator[str]:
        """A local address of the API server, signed in, while the block runs."""
        with self._serving("proxy", "--port=0") as port:
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def _serving(self, *arguments: str) -> Iterator[int]:
        command = [str(toolchain.kubectl()), "--kubeconfig", self.kubeconfig, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
                if not found:
                    raise toolchain.Unavailable(f"kubectl {' '.join(arguments)} did not start")
                yield int(found[1])
            finally:
                process.terminate()


@dataclass(frozen=True)
class Region:
    """One region's cloud, as its admin uses it."""

    name: str
    api: cs.CloudStack
    kubectl: Kubectl

    def user(self, username: str) -> dict[str, Any] | None:
        """The user as this region knows it, or None."""
        found = self.api.listUsers(listall=True, username=username)
        return found["user"][0] if found else None

    def rows(self, table: str) -> list[str]:
        return sorted(self.sql(f"SELECT {TABLES[table]}"))

    def sql(self, statement: str, *, schema: str = "cloud") -> list[str]:
        """Rows of a query as tab-separated text, asked inside the database's own Pod."""
        secret = self.kubectl.secret(f"{self.name}-database")
        defaults = f"[client]\nuser={secret['admin-username']}\npassword={secret['admin-password']}\n"
        command = [
            "mariadb",
            "--defaults-extra-file=/dev/stdin",
            "--batch",
            "--skip-column-names",
            schema,
            "-e",
            statement,
        ]
        output = self.kubectl(
            *("-n", self.kubectl.namespace, "exec", "-i", f"{self.name}-database-0", "-c", "mariadb", "--", *command),
            stdin=defaults,
        )
        return output.splitlines()


@contextmanager
def region(kubectl: Kubectl, name: str) -> Iterator[Region]:
    """Sign in to a region as its admin, get API keys, and use them with the client `cs`."""
    with kubectl.forward(f"service/{name}-management", 8080) as port:
        endpoint = f"http://127.0.0.1:{port}/client/api"
        keys = _keys(endpoint, kubectl.secret(f"{name}-admin"))
        api = cs.CloudStack(
            endpoint=endpoint, key=keys["apikey"], secret=keys["secretkey"], timeout=60, fetch_result=True
        )
        yield Region(name, api, kubectl)


def _keys(endpoint: str, admin: dict[str, str]) -> dict[str, str]:
    import requests  # `cs` brings it

    with requests.Session() as session:
        form = {"command": "login", "username": admin["username"], "password": admin["password"], "domain": "/"}
        signed_in = session.post(endpoint, data={**form, "response": "json"}, timeout=10).json()["loginresponse"]
        query = {"command": "registerUserKeys", "id": signed_in["userid"], "sessionkey": signed_in["sessionkey"]}
        answer = session.get(endpoint, params={**query, "response": "json"}, timeout=10).json()
        return dict(answer["registeruserkeysresponse"]["userkeys"])


def example(name: str, *, namespaces: Mapping[str, str]) -> list[dict[str, Any]]:
    """The manifests of an example, moved into other namespaces."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: namespaces.get(held, held) if key in _NAMESPACES else moved(held) for key, held in value.items()
            }
        return [moved(item) for item in value] if isinstance(value, list) else value

    files = sorted((EXAMPLES / name).glob("*.yaml"))
    return [moved(body) for file in files for body in yaml.safe_load_all(file.read_text())]


def expected(name: str) -> dict[str, dict[str, dict[str, str]]]:
    """What the example says the operator says when all is well, by ``Kind/name`` and type."""
    return dict(yaml.safe_load((EXAMPLES / name / "expected/conditions.yaml").read_text()))
