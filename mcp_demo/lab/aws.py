"""Where a lesson deploys to, the embedded AWS or AWS by one parameter; what a change would do; progress in lines."""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import httpx

from mcp_demo.deploy import choices
from mcp_demo.deploy.endpoints import Endpoints
from mcp_demo.deploy.preview import changes_of
from mcp_demo.deploy.profile import Profile
from mcp_demo.deploy.stacks import Event, Plan, Progress
from mcp_demo.errors import SetupError
from mcp_demo.local.state import Run
from mcp_demo.serverless.envelope_keys import usable

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

Target = Literal["embedded", "aws"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """A place to deploy to.

    Attributes:
        profile: Makes the clients of AWS services.
        endpoints: Where the parts of the running system are served; a deployment is made for these.
        folder: Of the env files, apart from those of the running system.
    """

    profile: Profile
    endpoints: Endpoints
    folder: Path


def site(run: Run, target: Target = "embedded") -> Site:
    """The place that a lesson deploys to.

    Args:
        run: The running system, whose addresses the deployment gets.
        target: The embedded AWS of this run, or AWS with your own credentials.

    Raises:
        SetupError: There are no credentials for AWS.
    """
    folder = run.state / f"lesson-{target}"
    if target == "embedded":
        return Site(Profile.local(run.aws), run.endpoints(), folder)
    clients = run.clients
    endpoints = Endpoints(run.server, run.bridge, clients["static"], clients["dcr"], clients["cimd"])
    return Site(Profile.aws(), endpoints, folder)


def progress(event: Event) -> None:
    """Tell each resource that is done, or has failed, in a line."""
    if not event.status.endswith("_IN_PROGRESS"):
        sys.stdout.write(f"{event.status:<16} {event.resource:<22} {event.type} {event.reason}".rstrip() + "\n")


def each_stack() -> Progress:
    """Tell each stack that is done, or what failed, in a line: enough for a system of a hundred resources."""
    done = Counter[str]()

    def tell(event: Event) -> None:
        if event.status.endswith("_FAILED"):
            progress(event)
        elif event.status.endswith("_COMPLETE") and event.resource != event.stack:
            done[event.stack] += 1
        elif event.status.endswith("_COMPLETE"):
            sys.stdout.write(f"{event.status:<16} {event.stack:<22} {done.pop(event.stack, 0)} resources\n")

    return tell


def would_make(stack: str) -> str:
    """What a template makes, by service; what it makes only under a condition is counted apart."""
    declared = choices.resources(stack).values()
    always = Counter(one["Type"].split("::")[1] for one in declared if "Condition" not in one)
    counts = ", ".join(f"{service} {count}" for service, count in always.most_common())
    perhaps = len(declared) - always.total()
    return f"{always.total()}: {counts}" + (f"; {perhaps} more under a condition" if perhaps else "")


class Front(httpx.HTTPTransport):
    """The way to the APIs of a serverless deployment.

    On AWS each API has a host of its own. The embedded AWS has them all below its own address, so requests go there,
    with the `Host` that they would have had.

    Args:
        here: Where it is deployed.
        outputs: Of its stacks.
    """

    def __init__(self, here: Site, outputs: Mapping[str, str]) -> None:
        super().__init__()
        apis = {"McpUrl": "ServerApiId", "BridgeUrl": "BridgeApiId"} if here.profile.emulated else {}
        self.roots = {
            httpx.URL(outputs[url]).netloc: httpx.URL(f"{here.profile.endpoint}/_aws/execute-api/{outputs[api]}")
            for url, api in apis.items()
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the API that it is for."""
        if root := self.roots.get(request.url.netloc):
            request.url = root.copy_with(raw_path=root.raw_path + request.url.raw_path)
        return super().handle_request(request)


class Keyring:
    """The bridge's envelope keys in their order, by numbers in place of what they are.

    Args:
        here: Where it is deployed.
        secret: The id of the secret that holds them.
    """

    def __init__(self, here: Site, secret: str) -> None:
        self._vault, self._secret = here.profile.client("secretsmanager"), secret
        self._names = dict[str, str]()

    def now(self) -> list[str]:
        """What there is: the first key seals, all open."""
        keys = usable(self._vault.get_secret_value(SecretId=self._secret)["SecretString"])
        return [self._names.setdefault(key, f"key {len(self._names) + 1}") for key in keys]


def eventually(ask: Callable[[], T], seconds: float = 300) -> T:
    """Ask until there is an answer: logs and alarms of AWS are some seconds or minutes behind.

    Raises:
        SetupError: There is none in time.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise SetupError(f"AWS gave no answer in {seconds:.0f} seconds.", "Run the cell again.")
        time.sleep(1)
    return answer


def proofs() -> dict[str, int]:
    """How many behaviours of AWS that we rely on are proven where, by the rows of `docs/parity.md`."""
    document = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
    rows = [line for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    labels = (re.search(r"\| \*+([^*|]+)\*+[^|]*\|$", row) for row in rows)
    return Counter(label[1] for label in labels if label)


def what_if(cloudformation: "CloudFormationClient", plan: Plan, **parameters: str) -> dict[str, str]:
    """What CloudFormation would do to each resource if parameters changed; nothing is done, empty if nothing would be.

    Args:
        cloudformation: A client.
        plan: The stack as it is.
        **parameters: What would be different.
    """
    changed = replace(plan, parameters={**plan.parameters, **parameters})
    return {change.resource: _WORDS.get(change.action, change.action) for change in changes_of(cloudformation, changed)}


_WORDS = {
    "change": "changed in place",
    "change or replace": "changed, in place or by a new one",
    "replace": "REPLACED: a new one is made, the old one deleted",
}
