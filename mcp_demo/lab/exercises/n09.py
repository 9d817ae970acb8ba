"""The exercises of notebook 09: doors that stay shut to strangers, and say so."""

from typing import Any

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Asked, Reply, Server


@exercise(
    "say-which-key",
    mutant="token_only_if_sent",
    kind=repairs.answer("/register"),
    stub="""
    def repair(answer):
        # TODO: a 401 needs the header www-authenticate; see answer.status and answer.headers
        return answer
    """,
    nudge="Notebook 02, step 2: what is the first word of a challenge? Here that one word is enough.",
    section="RFC 6750 §3",
)
def say_which_key(answer: Reply) -> Reply:
    """Every 401 names a scheme."""
    if answer.status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


@exercise(
    "forms-of-our-own",
    mutant="forged_consent",
    kind=repairs.request("/consent"),
    stub="""
    def repair(request, server):
        origin = request.headers.get("origin", "null")
        # TODO: return "access_denied" unless the origin is the server's own (server.issuer), or "null"
        return None
    """,
    nudge="In the card above, which header did the browser write that the page could not change?",
    section="Security Best Practices › Consent UI Requirements",
)
def forms_of_our_own(request: Asked, server: Server) -> str | None:
    """A form of another site does not count."""
    origin = request.headers.get("origin", "null")
    return None if origin in ("null", server.issuer) else "access_denied"


@exercise(
    "this-pool-only",
    mutant="matches_iss_by_host",
    kind=repairs.token(),
    stub="""
    def is_from_our_pool(claims, server):
        # TODO: True only if `iss` is the issuer that the server trusts (server.issuer).
        return True
    """,
    nudge="All user pools of a Region share one host. What of the address is different from pool to pool?",
    section="RFC 7519 §4.1.1",
)
def this_pool_only(claims: dict[str, Any], server: Server) -> bool:
    """The whole address, character by character."""
    return claims.get("iss") == server.issuer
