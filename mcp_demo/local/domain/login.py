"""`/login`: the sign-in page (Cognito docs › The managed login sign-in endpoint)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from mcp_demo.local.domain.authorize import SignInRequest, check, read_request, with_code
from mcp_demo.local.domain.errors import as_redirect
from mcp_demo.local.domain.forms import Form, posted_form
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import Challenge, SignedIn, SignInRefused
from mcp_demo.oauth.errors import OAuthError

WRONG = "The username or the password is wrong."
_REFUSALS = {
    "password": WRONG,
    "unconfirmed": "This account is not confirmed yet.",
    "reset": "The password of this account must be reset first.",
}


def login_router(parts: Parts) -> APIRouter:
    """The routes of the sign-in page."""
    router = APIRouter()

    @router.get("/login")
    def show(request: Request) -> Response:
        wanted = read_request(parts, request)
        try:
            check(parts, wanted)
        except OAuthError as error:
            return as_redirect(error, wanted.redirect_uri, wanted.state)
        return login_page(parts, request, wanted, username=wanted.parameters.get("login_hint", ""))

    @router.post("/login")
    def submit(request: Request, form: Annotated[Form, Depends(posted_form)]) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        username = form.get("username", "").strip()
        try:
            outcome = parts.pool.sign_in(username, form.get("password", ""))
        except SignInRefused as refused:
            return login_page(parts, request, wanted, username=username, problem=_REFUSALS[refused.reason])
        return proceed(parts, request, wanted, outcome)

    return router


def proceed(parts: Parts, request: Request, wanted: SignInRequest, outcome: SignedIn | Challenge) -> Response:
    """After a right password: back to the app, or one more question."""
    if isinstance(outcome, Challenge):
        # The second factor and the forced new password get their pages with the complete sign-in.
        problem = "This account needs a step that this page does not offer yet."
        return login_page(parts, request, wanted, username=outcome.username, problem=problem)
    return finish(parts, request, wanted, outcome)


def finish(parts: Parts, request: Request, wanted: SignInRequest, outcome: SignedIn) -> Response:
    """The user is who they say: start the session and go back to the app with a code."""
    user = parts.pool.user(outcome.username)
    if user is None:  # deleted in this very moment
        return login_page(parts, request, wanted, username=outcome.username, problem=WRONG)
    try:
        wish = check(parts, wanted)
    except OAuthError as error:
        return as_redirect(error, wanted.redirect_uri, wanted.state)
    name, session = parts.browser.begin(request, user, outcome.origin_jti, now=parts.clock())
    response = with_code(parts, wanted, wish, session)
    parts.browser.set_session(response, name)
    return response


def login_page(
    parts: Parts, request: Request, wanted: SignInRequest, *, username: str, problem: str | None = None
) -> Response:
    """The page with username and password."""
    token = parts.browser.form_token(request)
    page = parts.pages.render(
        "login.html",
        status=400 if problem else 200,
        form_action=None,  # the answer redirects to the app, and the app may redirect on
        csrf=token,
        query=wanted.query,
        client_name=wanted.client.name,
        username=username,
        problem=problem,
    )
    parts.browser.set_form(page, token)
    return page
