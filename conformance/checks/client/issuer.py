"""Which issuer answered, and whose credentials are whose (RFC 9207, SEP-2352, SEP-2468)."""

from collections.abc import Iterator

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import CREDENTIALS, Hit, Party, Play
from conformance.personas.authorization import CANARY
from conformance.views.client import Client, answer_of

_MIX_UP = "In a mix-up the response of one server is passed off as that of another, to get hold of its code."


@checks.add(
    "client.issuer.compare",
    "CL-ISS-COMPARE",
    expected="no token request after a response whose iss is another issuer, announced or not; one after the right iss",
    why=_MIX_UP,
    fix="Keep the validated issuer with each request, and compare iss with it before the code is used.",
)
def compare(client: Client) -> Problems:
    """A response that names another issuer is rejected."""
    yield from _used_after(client, "iss-wrong", "iss-wrong-unannounced")


@checks.add(
    "client.issuer.missing",
    "CL-ISS-MISSING",
    expected="no token request after a response without the iss that the metadata announces",
    why="Otherwise an attacker only has to leave iss out.",
    fix="If authorization_response_iss_parameter_supported is true, insist on iss.",
)
def missing(client: Client) -> Problems:
    """A response without the announced iss is rejected."""
    yield from _used_after(client, "iss-missing")


@checks.add(
    "client.issuer.absent-is-fine",
    "CL-ISS-ABSENT-OK",
    expected="a completed sign-in at an issuer that neither announces nor sends iss",
    why="Many authorization servers do not know RFC 9207 yet.",
    fix="Demand iss only where the metadata announces it.",
    cognito="A user pool sends no iss in its authorization responses.",
)
def absent_is_fine(client: Client) -> Problems:
    """Issuers that do not use iss are not refused for it."""
    play = client.faced("iss-unused", "authorize")
    if not play.successes:
        yield Problem("the client did not get in", play.authorizations[-1].exchange)


@checks.add(
    "client.issuer.exact",
    "CL-ISS-NO-NORMALIZE",
    expected="no token request after an iss that is merely written alike",
    why="What two URL parsers take for the same may be two issuers.",
    fix="Compare the decoded parameter with the issuer as strings, and let no URL class near them.",
)
def exact(client: Client) -> Problems:
    """The iss is compared as it stands."""
    yield from _used_after(client, "iss-slash", "iss-case", "iss-encoded")


@checks.add(
    "client.issuer.error-response",
    "CL-ISS-ERROR-RESPONSE",
    expected="nothing of an error response whose iss is another issuer is shown or followed",
    why="An attacker could put words into the mouth of a server that people trust.",
    fix="Compare iss first, for errors as for codes; show your own message.",
)
def error_response(client: Client) -> Problems:
    """Errors of another issuer are neither shown nor followed."""
    play = client.faced("iss-error", "authorize")
    shown = [line for line in play.output.splitlines() if CANARY in line and f"error_description={CANARY}" not in line]
    if shown:
        yield Problem("the error_description was shown", play.authorizations[-1].exchange)
    followed = [hit for hit in play.hits() if "error-page" in hit.request.url]
    if followed or any("error-page" in url for url in play.opened):
        yield Problem("the error_uri was opened", (followed or play.authorizations)[-1].exchange)


def _used_after(client: Client, *names: str) -> Iterator[Problem]:
    for name in names:
        play = client.faced(name, "authorize")
        for hit in play.code_requests[:1]:
            yield Problem(f"{play.scenario.says}: its code was used", hit.exchange)


@checks.add(
    "client.issuer.new-credentials",
    "CL-AS-NO-REUSE",
    expected="at a new issuer: a new registration, and nothing that the old issuer gave out",
    why="A server that is taken over could name an issuer that collects the secrets of the honest one.",
    fix="Look credentials up by issuer; where there are none for this one, register, or tell the person.",
)
def new_credentials(client: Client) -> Problems:
    """A new issuer is not shown the credentials of the old one."""
    play = client.faced("issuer-changes", "authorize")
    there = play.hits("metadata", "register", "authorize", "token", party="other issuer")
    if not there:
        raise Blocked("The client did not turn to the new issuer, so nothing can be said. Does it make three calls?")
    yield from _strange(play, "issuer", "other issuer")
    play = client.play("issuer-changes-with-credentials")
    if any(hit.fields.get("client_id") == CREDENTIALS["client_id"] for hit in play.hits(party="issuer")):
        for hit in play.hits("authorize", "token", party="other issuer")[:1]:
            if hit.fields.get("client_id") == CREDENTIALS["client_id"]:
                yield Problem("the client id that was given for one issuer was shown to another", hit.exchange)


@checks.add(
    "client.issuer.own-credentials",
    "CL-AS-BINDING",
    expected="for each issuer its own registration and its own tokens, also when the first one comes back",
    why="One drawer for all credentials hands them to whoever asks last.",
    fix="Key registrations and tokens by the issuer, not by the MCP server.",
)
def own_credentials(client: Client) -> Problems:
    """Credentials are kept apart by issuer."""
    play = client.faced("issuer-changes", "authorize")
    parties = [hit.party for hit in play.authorizations]
    if "other issuer" not in parties:
        raise Blocked("The client asked one issuer only, so nothing can be said. Does it make three calls?")
    returned = parties[parties.index("other issuer") :]
    if "issuer" not in returned:
        raise Blocked("The client did not come back to the first issuer, so nothing can be said. Does it make calls?")
    yield from _strange(play, "other issuer", "issuer")
    tokens = {*play.world.other_issuer.tokens}
    for hit in play.hits("token", party="issuer"):
        if tokens & {*hit.fields.values()}:
            yield Problem("a token of one issuer was shown to the other", hit.exchange)


def _strange(play: Play, owner: Party, receiver: Party) -> Iterator[Problem]:
    """What one issuer gave out and the other one got to see."""
    ours = play.world.issuer if owner == "issuer" else play.world.other_issuer
    words = {str(answer_of(hit).get("client_id")): "client id" for hit in play.hits("register", party=owner)}
    words |= {str(answer_of(hit).get("client_secret")): "secret" for hit in play.hits("register", party=owner)}
    words |= dict.fromkeys(ours.tokens, "token")
    words.pop("None", None)
    if not words:
        raise NotApplicable("The issuers gave the client nothing that could be mixed up.")
    for hit in play.hits(party=receiver):
        shown = [name for secret, name in words.items() if _shows(hit, secret)]
        if shown:
            yield Problem(f"the {shown[0]} of one issuer was shown to the other", hit.exchange)
            return


def _shows(hit: Hit, secret: str) -> bool:
    return secret in hit.fields.values() or secret in (hit.request.header("authorization") or "")
