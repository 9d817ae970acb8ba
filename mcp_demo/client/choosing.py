"""Which authorization server to go to, where an MCP server names several (RFC 9728 §7.6: the client decides)."""

import sys
from collections.abc import Callable, Sequence

from mcp_demo.client.errors import DiscoveryFailed
from mcp_demo.oauth.errors import printable

Choose = Callable[[Sequence[str]], str]
"""Asks the person; takes the issuers that are offered, gives one of them back."""


def choose_issuer(
    offered: Sequence[str],
    *,
    preferred: Sequence[str] = (),
    held: Sequence[str] = (),
    known: Callable[[str], bool] = lambda issuer: False,
    ask: Choose | None = None,
) -> str:
    """The issuer to go to: a preferred one, else one we have credentials of, else what the person says, else the first.

    Spec: RFC 9728 §7.6; MCP 2026-07-28 Authorization Server Discovery › Authorization Server Location.

    Args:
        offered: What the resource metadata lists.
        preferred: The configured preference, best first; what is not offered does not count.
        held: Issuers of credentials for this very server, best first.
        known: Whether an issuer knows the client already. It decides where it is true of one of them only.
        ask: Asks the person.

    Raises:
        DiscoveryFailed: The person named an issuer that is not offered.
    """
    for issuer in (*preferred, *held):
        if issuer in offered:
            return issuer
    familiar = [issuer for issuer in offered if known(issuer)]
    if len(familiar) == 1:
        return familiar[0]
    candidates = familiar or list(offered)
    if ask is None or len(candidates) == 1:
        return candidates[0]
    chosen = ask(tuple(offered))
    if chosen not in offered:
        raise DiscoveryFailed(f"The MCP server does not rely on {chosen}.")
    return chosen


def ask_in_terminal(offered: Sequence[str]) -> str:
    """Ask at the terminal, until the answer is one of the numbers.

    On stderr, since stdout may lead to another program. A name comes from a server that nobody knows yet: it shall
    neither hide the names before it nor end the line.
    """
    lines = [f"  {number}. {printable(issuer)}\n" for number, issuer in enumerate(offered, 1)]
    sys.stderr.write("".join(("The MCP server relies on several authorization servers:\n", *lines)))
    while True:
        sys.stderr.write(f"Which one? [1-{len(offered)}] ")
        sys.stderr.flush()
        answer = input().strip()
        if answer.isdecimal() and 0 < int(answer) <= len(offered):
            return offered[int(answer) - 1]
