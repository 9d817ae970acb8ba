"""Which scopes are asked for, and when more are (MCP Scope Selection Strategy, Step-Up Authorization Flow)."""

from conformance.check import Blocked, NotApplicable, Problem, Problems
from conformance.checks.client import checks
from conformance.personas import Hit, Play
from conformance.personas.access import SPECIAL
from conformance.personas.mcp_server import READ, WRITE
from conformance.views.client import Client, scopes

_MOST_STEP_UPS = 5


@checks.add(
    "client.scope.challenged",
    "CL-SCOPE-AUTHORITATIVE",
    expected="exactly the scopes of the challenge, whatever the metadata lists",
    why="Only the server knows what the operation takes; what it lists elsewhere need not have all of it.",
    fix="Send the scope of the challenge as it is; do not filter it by scopes_supported.",
    cognito="Scopes of a user pool are named RESOURCE/NAME; take them as they come.",
)
def challenged(client: Client) -> Problems:
    """The scopes of the challenge are asked for as they are."""
    play = client.faced("scope-challenged", "authorize")
    hit = play.authorizations[0]
    if _asked(hit) != {SPECIAL}:
        yield Problem(f"scope {hit.fields.get('scope')!r} instead of {SPECIAL!r}", hit.exchange)


@checks.add(
    "client.scope.selection",
    "CL-SCOPE-SELECTION",
    expected="the challenge's scopes, else all that the server's metadata lists, else no scope parameter",
    why="Asking for more than is needed puts more at stake, and asking for what the server does not know fails.",
    fix="Take the challenge's scope, else scopes_supported of the resource's metadata, else leave scope out.",
)
def selection(client: Client) -> Problems:
    """The scopes are taken from the challenge, else from the server's metadata, else left out."""
    wanted = {"helpful": {READ}, "scope-in-metadata": {READ, WRITE}, "scope-unknown": None}
    for name, names in wanted.items():
        play = client.faced(name, "authorize")
        hit = play.authorizations[0]
        found = hit.fields.get("scope")
        if _asked(hit) != names:
            asked = "no scope" if found is None else f"scope {found!r}"
            right = "none" if names is None else " ".join(sorted(names))
            yield Problem(f"{play.scenario.says}: {asked} instead of {right}", hit.exchange)


@checks.add(
    "client.scope.step-up",
    "CL-STEPUP",
    expected="after 403 insufficient_scope: an authorization request with the scope, then the call once more",
    why="A refreshed token has the scopes of the old one; only the person can give more.",
    fix="On error=insufficient_scope start a new authorization request with the challenged scope, then try again.",
)
def step_up(client: Client) -> Problems:
    """A call that needs more leads to a new authorization, and is made again."""
    play = _stepped(client)
    place = next(place for place, hit in enumerate(play.hits()) if hit.status == 403)
    after = play.hits()[place + 1 :]
    if not any(hit.kind == "authorize" and WRITE in scopes(hit) for hit in after):
        yield Problem("no authorization request with the missing scope followed", play.hits()[place].exchange)
    elif not any(hit.kind == "mcp" and hit.status == 200 for hit in after):
        yield Problem("the call was not made again", play.hits()[-1].exchange)


@checks.add(
    "client.scope.union",
    "CL-SCOPE-UNION",
    expected="the scopes asked for before and the new ones, each once",
    why="A token for the new scope alone fails at the next call that needs an old one.",
    fix="Keep what was asked for, and ask for the union.",
)
def union(client: Client) -> Problems:
    """More scopes are asked for on top of those before."""
    play = _stepped(client)
    if len(play.authorizations) < 2:
        raise NotApplicable("The client does not step up; see client.scope.step-up.")
    hit = play.authorizations[1]
    if not {READ, WRITE} <= set(scopes(hit)):
        yield Problem(
            f"scope {hit.fields.get('scope')!r} lacks what was asked for before, or what is new", hit.exchange
        )
    elif len(scopes(hit)) != len(set(scopes(hit))):
        yield Problem("a scope is asked for twice", hit.exchange)


@checks.add(
    "client.scope.step-up-limit",
    "CL-STEPUP-LIMIT",
    expected="an end after a few attempts, with a word about it",
    why="A server that never has enough would open the browser for ever.",
    fix="Count the attempts for each operation, and give up after two or three.",
)
def step_up_limit(client: Client) -> Problems:
    """Step-up that leads nowhere comes to an end."""
    client.control()
    play = client.play("step-up-endless")
    attempts = play.authorizations[1:]
    if not attempts:
        raise NotApplicable("The client does not step up; see client.scope.step-up.")
    if len(attempts) > _MOST_STEP_UPS or play.ended == "too slow":
        yield Problem(f"it asked {len(attempts)} times for the same scope", attempts[-1].exchange)
    elif play.status == 0 and not play.output.strip():
        yield Problem("it ended as if all were well", attempts[-1].exchange)


def _asked(hit: Hit) -> set[str] | None:
    """The scopes of a request; whether offline_access may be among them is for client.refresh.offline-access to say."""
    found = set(scopes(hit))
    return None if "scope" not in hit.fields or found == {"offline_access"} else found - {"offline_access"}


def _stepped(client: Client) -> Play:
    """The run in which listing the tools takes more.

    Raises:
        Blocked: The client did not list the tools.
    """
    client.control()
    play = client.play("step-up")
    if not any(hit.status == 403 for hit in play.hits()):
        raise Blocked("The client was never refused for want of a scope. It has to list the tools of the server.")
    return play
