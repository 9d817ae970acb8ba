"""Enrolling an authenticator app: when the pool requires a second factor, and by choice when it allows one."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from mcp_demo.local.domain.accounts import AccountProblem, SignedIn
from mcp_demo.local.domain.errors import NO_STORE, UnsafeRequest
from mcp_demo.local.domain.forms import PostedForm
from mcp_demo.local.domain.lockout import TOO_MANY
from mcp_demo.local.domain.outcome import enrolment_page, finish, form_page
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.qr import qr_code
from mcp_demo.local.domain.signin_request import read_request

_SECRET = re.compile(r"[A-Z2-7]{16,64}")


def mfa_router(parts: Parts) -> APIRouter:
    """The routes of the enrolment page."""
    router = APIRouter()

    @router.get("/mfa/setup")
    def offer(request: Request) -> Response:
        """For somebody signed in here; AWS leaves this, with MFA optional, to the app and its access token."""
        wanted = read_request(parts, request)
        session = parts.browser.signed_in(request)
        user = parts.pool.user(session["username"]) if session else None
        if session is None or user is None:
            return RedirectResponse(f"/login?{wanted.query}", status_code=302, headers=NO_STORE)
        if parts.pool.rules().mfa == "OFF" or "SOFTWARE_TOKEN_MFA" in user.mfa:
            raise UnsafeRequest(
                "invalid_request",
                "There is nothing to set up: this user pool asks for no second factor, or you have one already.",
                "Go back to the app.",
            )
        return enrolment_page(parts, request, wanted, user, SignedIn(user.username, session["origin_jti"]))

    @router.post("/mfa/setup")
    def enrol(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        step = parts.steps.read(request, form, "enrol")
        user, secret = parts.pool.user(step["username"]), form.get("secret", "")
        if user is None or not _SECRET.fullmatch(secret):
            raise UnsafeRequest("invalid_request", "This page is broken.", "Go back to the app and sign in again.")
        problem = _verify(parts, user.username, parts.signer.own_api_token(user, now=int(parts.clock())), form)
        if problem:
            code = qr_code(user.username, secret)
            return form_page(
                parts, request, wanted, "mfa_setup.html", step=form["step"], secret=secret, qr=code, problem=problem
            )
        parts.steps.end(form, "enrol")
        return finish(parts, request, wanted, SignedIn(user.username, step["origin_jti"]))

    return router


def _verify(parts: Parts, username: str, access_token: str, form: dict[str, str]) -> str | None:
    """Check the first code; what is wrong with it, if anything. The secret checked is the pool's, not the form's."""
    if not parts.lockout.may_try("totp", username):
        return TOO_MANY
    try:
        parts.accounts.enrol_totp(access_token, form.get("code", "").replace(" ", ""))
    except AccountProblem as problem:
        return str(problem)
    parts.lockout.succeeded("totp", username)
    return None
