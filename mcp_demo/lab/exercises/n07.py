"""The exercises of notebook 07: rules that every token has to pass."""

import time
from typing import Any

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Server


@exercise(
    "token-expiry",
    mutant="ignores_exp",
    kind=repairs.token(),
    stub="""
    import time

    def is_alive(claims):
        # TODO: True only while the token lives. `exp` may be missing, or be no number.
        return True
    """,
    nudge="At exactly `exp` the token is dead. And what does `claims.get` give you if there is no `exp`?",
    section="RFC 7519 §4.1.4",
)
def token_expiry(claims: dict[str, Any]) -> bool:
    """Before its end, which has to be a number."""
    end = claims.get("exp")
    return isinstance(end, int | float) and time.time() < end


@exercise(
    "token-algorithm",
    mutant="trusts_alg_none_in_capitals",
    kind=repairs.token(),
    stub="""
    def may_look_for_a_key(header):
        # TODO: True only if the header names the one algorithm that the user pool signs with.
        return True
    """,
    nudge="Do not list what is forbidden: none, None, nOnE, HS256 … Say what is allowed.",
    section="RFC 8725 §3.1",
)
def token_algorithm(header: dict[str, Any]) -> bool:
    """An allow-list of one."""
    return header.get("alg") == "RS256"


@exercise(
    "token-audience",
    mutant="searches_aud",
    kind=repairs.token(),
    stub="""
    def is_for_us(claims, server):
        # TODO: True only if `aud` names server.resource. It may be a string, a list, or missing.
        return True
    """,
    nudge="With a string, `in` looks for a part of it. Which stranger's name has ours in it?",
    section="RFC 7519 §4.1.3",
)
def token_audience(claims: dict[str, Any], server: Server) -> bool:
    """One equal member is enough; a single string is a list of one."""
    audience = claims.get("aud")
    return server.resource in (audience if isinstance(audience, list) else [audience])
