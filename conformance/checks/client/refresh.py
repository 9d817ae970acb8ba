"""Refresh tokens: there may be none, and they change (SEP-2207, OAuth 2.1 §4.3)."""

from conformance.check import Blocked, Problem, Problems
from conformance.checks.client import checks
from conformance.views.client import Client, scopes

_OFFLINE = "offline_access"
_MOST_TRIES = 3


@checks.add(
    "client.refresh.offline-access",
    "CL-RT-OFFLINE-ACCESS",
    expected="no offline_access in the scope, unless the issuer lists it",
    why="Servers that do not know the scope refuse the whole request.",
    fix="Add offline_access only if scopes_supported of the issuer's metadata has it.",
    cognito="A user pool answers invalid_scope to offline_access.",
)
def offline_access(client: Client) -> Problems:
    """The scope offline_access is asked for only where it is listed."""
    client.faced("offline-access-listed", "authorize")
    for hit in client.control().authorizations[:1]:
        if _OFFLINE in scopes(hit):
            yield Problem("offline_access was asked for although it is not listed", hit.exchange)


@checks.add(
    "client.refresh.not-assumed",
    "CL-RT-NOT-ASSUMED",
    expected="a new authorization where there is no refresh token, and always the newest refresh token",
    why="Whether there is a refresh token is for the server to say; and with rotation the old one is a sign of theft.",
    fix="Without a refresh token start over; keep the refresh token of each answer that has one.",
    cognito="Refresh tokens rotate only if the app client says so.",
)
def not_assumed(client: Client) -> Problems:
    """A missing refresh token is no obstacle, and a new one replaces the old one."""
    play = client.used("expiry-without-refresh")
    if len(client.control().successes) < 2:
        raise Blocked("The client made no call after its token had expired. It has to make several.")
    if len(play.authorizations) < 2 or len({hit.token for hit in play.successes}) < 2:
        yield Problem(f"{play.scenario.says}: the client did not get in again", play.hits()[-1].exchange)
    if len(play.refreshes) > _MOST_TRIES:
        yield Problem(
            f"{play.scenario.says}: it tried to refresh {len(play.refreshes)} times", play.refreshes[-1].exchange
        )
    play = client.used("expiry")
    for hit in play.refreshes:
        if hit.status >= 400:
            yield Problem("a refresh token that had been replaced was used again", hit.exchange)
            break
