"""Judging a planted bug, with a repair in front of it or without, by the checks of the conformance suite."""

import logging
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from conformance import mutants
from conformance.mutants import authz_plant, matrix, plant
from conformance.mutants.authz_reference import CALLBACK
from conformance.mutants.plant import Answer, Forward, Seen, around
from conformance.mutants.planted import is_red
from conformance.result import Report, Result
from mcp_demo import cognito
from mcp_demo.lab.repairs import Hands, Kind, Mishap, Server
from mcp_demo.oauth.errors import OAuthError

Bug = plant.Mutant | authz_plant.Mutant
_METADATA = ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came out.

    Args:
        claimed: The result of the check that claims the bug.
        worse: Results that are red, although the bug does not explain it.
        left: Results that are red still, as they rightly are with the bug.
        mishaps: What went wrong in the repair itself.
        used: Whether the repair was called at all.
    """

    claimed: Result
    worse: tuple[Result, ...] = ()
    left: tuple[Result, ...] = ()
    mishaps: tuple[str, ...] = ()
    used: bool = True

    @property
    def solved(self) -> bool:
        """Whether the bug is gone and nothing else is broken."""
        return self.claimed.verdict == "pass" and not self.worse and not self.mishaps


@cache
def bug(name: str) -> Bug:
    """The planted bug of this name.

    Raises:
        LookupError: There is none.
    """
    return cast("Bug", mutants.find(name))


def judge(planted: Bug, kind: Kind | None = None, repair: Callable[..., Any] | None = None) -> Trial:
    """Judge the reference with a bug planted, and a repair in front of it.

    In a thread of its own, for it needs an event loop, and a notebook has one already.
    """
    hands = Hands(repair) if repair is not None else None
    with _quiet(), ThreadPoolExecutor(1) as thread:
        report = thread.submit(_report, _repaired(planted, kind, hands)).result()
    results = {result.check.id: result for result in report.results}
    red = {name for name, result in results.items() if is_red(result)}
    expected = {planted.check} | planted.also
    if "*" in planted.also:  # a bug that turns everything red
        expected |= red
    worse = tuple(results[name] for name in sorted(red - expected))
    left = tuple(results[name] for name in sorted((red & expected) - {planted.check}))
    mishaps = tuple(hands.mishaps) if hands else ()
    return Trial(results[planted.check], worse, left, mishaps, hands is None or hands.calls > 0)


@contextmanager
def _quiet() -> Generator[None]:
    """Keep the reference from telling each attack that it refuses: the suite makes a hundred of them on purpose."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _report(planted: Bug) -> Report:
    if isinstance(planted, authz_plant.Mutant):
        return authz_plant.judged(planted)
    return matrix.judge_wrapped(planted.wrap, revision=planted.revision, host=planted.host, retarget=planted.retarget)


def _repaired(planted: Bug, kind: Kind | None, hands: Hands | None) -> Bug:
    if kind is None or hands is None:
        return planted
    if kind.replaces:
        if not isinstance(planted, authz_plant.Mutant):
            raise TypeError("Only the authorization server's bugs replace rules.")
        others = tuple((path, value) for path, value in planted.rules if path != kind.replaces)
        return replace(planted, rules=(*others, (kind.replaces, _as_rule(hands))))
    inner = planted.wrap

    def wrap(app: Any, lab: Any) -> Any:
        server = _server(lab)

        async def behaviour(seen: Seen, forward: Forward, lab: Any) -> Answer:
            assert kind.apply is not None  # noqa: S101 - for the type checker
            try:
                return await kind.apply(seen, forward, server, hands)
            except Mishap:
                return Answer(500)

        return around(cast("Any", behaviour))(cast("Any", inner)(app, lab), lab)

    return replace(planted, wrap=cast("Any", wrap))


def _as_rule(hands: Hands) -> Callable[..., Any]:
    def stands_in(*given: Any, **named: Any) -> Any:
        hands.calls += 1
        try:
            return hands.repair(*given, **named)
        except OAuthError:  # how a rule refuses
            raise
        except Exception as error:  # whatever a learner writes, the notebook goes on
            words = f"it stopped with {type(error).__name__}: {error}"
            if words not in hands.mishaps:
                hands.mishaps.append(words)
            raise

    return stands_in


def _server(lab: Any) -> Server:
    """What the repair may know of the server it stands in front of."""
    memory: dict[str, Any] = {}
    if hasattr(lab, "bridge"):
        scopes = cognito.scopes(lab.mcp)

        def client(client_id: str) -> dict[str, Any] | None:
            if client_id == "app":
                return {"client_id": "app", "redirect_uris": [CALLBACK], "scopes": list(scopes)}
            found = lab.registry.get(client_id)
            if found is None:
                return None
            return {
                "client_id": client_id,
                "redirect_uris": list(found.redirect_uris),
                "scopes": list(found.scopes),
                "token_endpoint_auth_method": found.token_endpoint_auth_method,
                "grant_types": list(found.grant_types),
            }

        return Server(lab.mcp, lab.bridge, f"{lab.bridge}{_METADATA[1]}", scopes, memory, client)
    metadata = lab.url.removesuffix("/mcp") + _METADATA[0]
    return Server(lab.url, lab.issuer.issuer, metadata, tuple(lab.issuer.scopes), memory)
