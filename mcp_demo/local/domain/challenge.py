"""The questions that follow a right password: a new one instead of a temporary one, and the second factor."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mcp_demo.local.domain.accounts import AccountProblem, SignInRefused
from mcp_demo.local.domain.errors import UnsafeRequest
from mcp_demo.local.domain.forms import Form, PostedForm, new_password
from mcp_demo.local.domain.lockout import TOO_MANY
from mcp_demo.local.domain.outcome import finish, form_page, proceed
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.signin_request import SignInRequest, read_request

_CODE_SECONDS = 120


def challenge_router(parts: Parts) -> APIRouter:
    """The routes of both questions."""
    router = APIRouter()

    @router.post("/changePassword")
    def change_password(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        username = parts.steps.read(request, form, "new-password")["username"]
        try:
            password = new_password(form)
            parts.accounts.set_password(username, password)
            outcome = parts.accounts.sign_in(username, password)
        except AccountProblem as problem:
            return _again(parts, request, wanted, form, "new_password.html", str(problem))
        except SignInRefused:
            raise UnsafeRequest("access_denied", "This account cannot sign in.", "Ask the administrator.") from None
        parts.steps.end(form, "new-password")
        return proceed(parts, request, wanted, outcome)

    @router.post("/mfa")
    def totp(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        step = parts.steps.read(request, form, "totp")
        username = step["username"]
        if not parts.lockout.may_try("totp", username):
            return _again(parts, request, wanted, form, "totp.html", TOO_MANY)
        try:
            outcome = parts.accounts.answer_totp(username, step["session"], _fresh_code(parts, username, form))
        except AccountProblem as problem:
            return _again(parts, request, wanted, form, "totp.html", str(problem))
        use_up(parts, username, form.get("code", ""))
        parts.lockout.succeeded("totp", username)
        parts.steps.end(form, "totp")
        return finish(parts, request, wanted, outcome)

    return router


def _fresh_code(parts: Parts, username: str, form: Form) -> str:
    code = form.get("code", "").replace(" ", "")
    if parts.store.get("totp-used", f"{username} {code}"):
        raise AccountProblem("That code has been used already. Wait for the next one.")
    return code


def use_up(parts: Parts, username: str, code: str) -> None:
    """A code of an authenticator app works once."""
    key = f"{username} {code.replace(' ', '')}"
    parts.store.put("totp-used", key, {"used": True}, expires=parts.clock() + _CODE_SECONDS)


def _again(parts: Parts, request: Request, wanted: SignInRequest, form: Form, template: str, problem: str) -> Response:
    hint = parts.pool.rules().password_hint
    return form_page(parts, request, wanted, template, step=form.get("step", ""), problem=problem, hint=hint)
