"""Exercises of 06: where a code may go, what it is bound to, and who says that it is theirs."""

from urllib.parse import quote

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Asked, Reply, Server
from mcp_demo.oauth.redirect_uri import is_loopback, without_port


@exercise(
    "compare-exactly",
    mutant="prefix",
    kind=repairs.rule("mcp_demo.bridge.authorize.is_registered"),
    stub="""
    from mcp_demo.oauth.redirect_uri import is_loopback, without_port

    def repair(uri, registered):
        if is_loopback(uri):  # on this machine the port may differ
            return without_port(uri) in [without_port(known) for known in registered]
        # TODO: https://app.example/callback-evil only begins like https://app.example/callback
        return any(uri.startswith(known) for known in registered)
    """,
    nudge="When are two strings the same? No rule that is kinder than that has lasted.",
    section="OAuth 2.1 §2.3.1",
)
def compare_exactly(uri: str, registered: tuple[str, ...]) -> bool:
    """Character for character."""
    if is_loopback(uri):
        return without_port(uri) in [without_port(known) for known in registered]
    return uri in registered


@exercise(
    "insist-on-the-challenge",
    mutant="pkce_optional",
    kind=repairs.request("/authorize"),
    stub="""
    def repair(request):
        # TODO: without a code_challenge (see request.parameters) this is an "invalid_request"
        return None
    """,
    nudge="If the challenge is missing, what will the server compare the verifier with?",
    section="OAuth 2.1 §7.6",
)
def insist_on_the_challenge(request: Asked) -> str | None:
    """No challenge, no code."""
    return None if "code_challenge" in request.parameters else "invalid_request"


@exercise(
    "say-who-you-are",
    mutant="no_iss_on_refusal",
    kind=repairs.answer("/consent"),
    stub="""
    from urllib.parse import quote

    def repair(answer, server):
        where = answer.headers.get("location", "")
        # TODO: an address with error= in it leads to the client: add &iss= and quote(server.issuer, safe="")
        return answer
    """,
    nudge="A refusal is an answer too. How does the client know that it is not another server's?",
    section="RFC 9207 §2",
)
def say_who_you_are(answer: Reply, server: Server) -> Reply:
    """A refusal names its issuer."""
    where = answer.headers.get("location", "")
    if "error=" in where and "iss=" not in where:
        answer.headers["location"] = f"{where}&iss={quote(server.issuer, safe='')}"
    return answer
