"""The routes that the three browser clients have in common."""

import hmac
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from mcp_demo.client.web import actions
from mcp_demo.client.web.person import Wish
from mcp_demo.client.web.site import Site
from mcp_demo.web.sessions import Session

router = APIRouter()


class ForeignForm(Exception):
    """A form that did not come from our own page, or from one of a session that has ended."""


def site_of(request: Request) -> Site:
    """The client that serves a request."""
    return request.app.state.site


Here = Annotated[Site, Depends(site_of)]


def own_session(request: Request, site: Here, csrf: Annotated[str, Form()] = "") -> Session:
    """The session of a form that came from our own page."""
    session = site.sessions.find(request)
    if session is None or not hmac.compare_digest(session.csrf.encode(), csrf.encode()):
        raise ForeignForm
    return session


Own = Annotated[Session, Depends(own_session)]


@router.get("/health")
def health() -> dict[str, str]:
    """Whether the client is up."""
    return {"status": "ok"}


@router.get("/")
def home(request: Request, site: Here) -> Response:
    """The page."""
    if session := site.sessions.find(request):
        return site.home(session)
    carrier = Response()
    page = site.home(site.sessions.start(carrier))
    page.headers.append("set-cookie", carrier.headers["set-cookie"])
    return page


@router.get("/callback")
async def callback(request: Request, site: Here) -> Response:
    """The redirect URI: only answers to a sign-in that this very browser began are looked at (OAuth 2.1 §7.12)."""
    session = site.sessions.find(request)
    person = site.person(session) if session else None
    states = parse_qs(request.url.query).get("state", [])
    if person is None or len(states) != 1 or states[0] not in person.sign_ins:
        words = (
            "No sign-in of this browser waits for this answer: it was finished already, or begun elsewhere, or cookies"
            " are switched off. Go back to the client and sign in again."
        )
        return site.stop("This sign-in is not known here", words, 400)
    async with person.lock:
        onward = await actions.come_back(person, site.http, f"{site.callback_url}?{request.url.query}", states[0])
    answer = RedirectResponse(onward or "/", 303)
    site.sessions.renew(request, answer)
    return answer


@router.post("/login")
async def login(request: Request, session: Own, site: Here) -> Response:
    """Sign in."""
    return await _do(request, session, site, actions.LOGIN)


@router.post("/fetch")
async def fetch(request: Request, session: Own, site: Here) -> Response:
    """Fetch MCP data."""
    return await _do(request, session, site, actions.FETCH)


@router.post("/add")
async def add(
    request: Request,
    session: Own,
    site: Here,
    name: Annotated[str, Form(max_length=100)],
    text: Annotated[str, Form(max_length=2000)],
) -> Response:
    """Add data, which takes step-up the first time."""
    return await _do(request, session, site, Wish("Data added", "add_context", {"name": name, "text": text}))


@router.post("/choose")
async def choose(request: Request, session: Own, site: Here, issuer: Annotated[str, Form(max_length=2000)]) -> Response:
    """Choose one of several authorization servers."""
    person = site.person(session)
    async with person.lock:
        onward = await actions.choose(person, site.http, issuer)
    return _go(request, site, onward)


@router.post("/logout")
async def logout(request: Request, session: Own, site: Here) -> Response:
    """End session and grant."""
    await actions.log_out(site.person(session), site.http)
    answer = RedirectResponse("/", 303)
    site.sessions.end(request, answer)
    return answer


@router.post("/forget")
async def forget(session: Own, site: Here) -> Response:
    """Forget grant and registration."""
    person = site.person(session)
    async with person.lock:
        await actions.start_over(person, site.http)
    return RedirectResponse("/", 303)


async def _do(request: Request, session: Session, site: Site, wanted: Wish) -> Response:
    person = site.person(session)
    async with person.lock:
        onward = await actions.wish(person, site.http, wanted)
    return _go(request, site, onward)


def _go(request: Request, site: Site, onward: str | None) -> Response:
    answer = RedirectResponse(onward or "/", 303)
    if onward is not None:  # before there is a grant in it: whoever planted the session must not be there to see one
        site.sessions.renew(request, answer)
    return answer
