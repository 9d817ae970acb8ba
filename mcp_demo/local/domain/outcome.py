"""Pages with a form, and what follows a proof of identity: the next question, or the way back to the app."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from mcp_demo.local.domain.accounts import Challenge, SignedIn
from mcp_demo.local.domain.errors import UnsafeRequest, as_redirect
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.pool import User
from mcp_demo.local.domain.qr import qr_code
from mcp_demo.local.domain.signin_request import SignInRequest, check, with_code
from mcp_demo.oauth.errors import OAuthError


def form_page(
    parts: Parts,
    request: Request,
    wanted: SignInRequest,
    template: str,
    *,
    problem: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """A page with a form that only this browser can submit. Status 400 when it says that something was wrong."""
    token = parts.browser.form_token(request)
    page = parts.pages.render(
        template,
        status=400 if problem else 200,
        form_action=None,  # the answer redirects to the app, and the app may redirect on
        csrf=token,
        query=wanted.query,
        client_name=wanted.client.name,
        look=parts.looks.of(wanted.client.client_id),
        problem=problem,
        **context,
    )
    parts.browser.set_form(page, token)
    return page


def proceed(
    parts: Parts, request: Request, wanted: SignInRequest, outcome: SignedIn | Challenge, *, enrol: bool = False
) -> Response:
    """After a right password: back to the app, or one more question.

    Args:
        parts: The domain.
        request: The page's.
        wanted: What the app asks for.
        outcome: What the password led to.
        enrol: The person wants to set up a second factor, which the pool leaves to them.
    """
    if isinstance(outcome, SignedIn):
        user, mfa = _user(parts, outcome.username), parts.pool.rules().mfa
        if "SOFTWARE_TOKEN_MFA" not in user.mfa and (mfa == "ON" or (enrol and mfa == "OPTIONAL")):
            return enrolment_page(parts, request, wanted, user, outcome)
        return finish(parts, request, wanted, outcome)
    kinds = {"NEW_PASSWORD_REQUIRED": "new-password", "SOFTWARE_TOKEN_MFA": "totp"}
    kind = kinds.get(outcome.name)
    if kind is None:
        raise UnsafeRequest(
            "invalid_request", "This account needs a step that is not offered here.", "Ask the administrator."
        )
    step = parts.steps.begin(request, kind, username=outcome.username, session=outcome.session)
    template = "new_password.html" if kind == "new-password" else "totp.html"
    hint = parts.pool.rules().password_hint
    return form_page(parts, request, wanted, template, step=step, hint=hint)


def enrolment_page(
    parts: Parts, request: Request, wanted: SignInRequest, user: User, outcome: SignedIn
) -> HTMLResponse:
    """The page to enrol an authenticator app, for somebody who has shown who they are."""
    token = parts.signer.own_api_token(user, now=int(parts.clock()))
    secret = parts.accounts.totp_secret(token)
    step = parts.steps.begin(request, "enrol", username=user.username, origin_jti=outcome.origin_jti)
    return form_page(
        parts, request, wanted, "mfa_setup.html", step=step, secret=secret, qr=qr_code(user.username, secret)
    )


def finish(parts: Parts, request: Request, wanted: SignInRequest, outcome: SignedIn) -> Response:
    """The person is who they say: start the session and go back to the app with a code."""
    user = _user(parts, outcome.username)
    try:
        wish = check(parts, wanted)
    except OAuthError as error:
        return as_redirect(error, wanted.redirect_uri, wanted.state)
    name, session = parts.browser.begin(request, user, outcome.origin_jti, now=parts.clock())
    response = with_code(parts, wanted, wish, session)
    parts.browser.set_session(response, name)
    return response


def _user(parts: Parts, username: str) -> User:
    user = parts.pool.user(username)
    if user is None or not user.enabled:
        raise UnsafeRequest("access_denied", "This account cannot sign in.", "Ask the administrator.")
    return user
