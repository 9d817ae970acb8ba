"""Judge one known target on the stage, with everything that can be given."""

from dataclasses import replace

from conformance import document
from conformance.catalogue import Selection, load
from conformance.check import Blocked, NotApplicable
from conformance.documents import LoopbackDocuments
from conformance.run import judge
from conformance.session import Session
from conformance.stack import issuer_of
from conformance.target import KnownClient, Target
from conformance.targets.known import Known
from conformance.targets.pool import PoolTransport
from conformance.targets.stage import Stage
from conformance.traveller import BrowserTraveller
from conformance.views.authorization_server import AuthorizationServer
from conformance.views.grants import tokens
from conformance.wire import Unanswered
from mcp_demo.local.browser import find
from mcp_demo.local.state import Run


def play(stage: Stage, known: Known) -> dict[str, object]:
    """The report of a target, as one JSON document.

    Raises:
        Unavailable: The target cannot be run here.
    """
    chosen = Selection(known.revision, roles=known.roles).of(load())
    with stage.playing(known):
        target = _target(stage.run, known)
        report = judge(target, chosen, session=_session(stage.run, target))
    return document.build(report)


def _session(run: Run, target: Target) -> Session:
    session = Session(target, transport=PoolTransport(run))
    session.concurrent = True
    return session


def _target(run: Run, known: Known) -> Target:
    target = Target(run.server, known.revision)
    if known.authorization_server != "itself":
        target = replace(target, issuer=issuer_of(run))
    if "authorization-server" not in known.roles:
        return target
    traveller = BrowserTraveller(
        run.user.username, run.user.password, target=run.server, executable=find, origins=[run.domain]
    )
    target = replace(target, sign_in=traveller, may_register=True)
    if known.authorization_server == "pool":
        known_client = KnownClient(run.client_id, f"{run.clients['static']}/callback")
        return replace(target, client=known_client, documents=LoopbackDocuments())
    return replace(target, token=_token(run, target))


def _token(run: Run, target: Target) -> str | None:
    """An access token from a login of its own, where the target issues them itself."""
    session = _session(run, target)
    try:
        _, exchange = session.view(AuthorizationServer).main
    except (Blocked, NotApplicable, Unanswered):
        return None
    finally:
        session.close()
    token = tokens(exchange).get("access_token")
    return token if isinstance(token, str) else None
