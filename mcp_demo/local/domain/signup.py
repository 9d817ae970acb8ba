"""`/signup`, `/confirmUser`, `/resendcode` (Cognito docs › The managed login sign-up and confirmation endpoints)."""

from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mcp_demo.local.domain.accounts import AccountProblem, SignedIn
from mcp_demo.local.domain.errors import UnsafeRequest
from mcp_demo.local.domain.forms import Form, PostedForm, new_password
from mcp_demo.local.domain.lockout import TOO_MANY
from mcp_demo.local.domain.outcome import form_page, proceed
from mcp_demo.local.domain.parts import Parts
from mcp_demo.local.domain.signin_request import SignInRequest, read_request

_SENT = "We sent a code to the email address of this account."


def signup_router(parts: Parts) -> APIRouter:
    """The routes of signing up and confirming."""
    router = APIRouter()

    @router.get("/signup")
    def show(request: Request) -> Response:
        return _page(parts, request, read_request(parts, request), {})

    @router.post("/signup")
    def submit(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        try:
            username, confirmed = _sign_up(parts, wanted, form)
        except AccountProblem as problem:
            return _page(parts, request, wanted, form, problem=str(problem))
        if confirmed:
            return proceed(parts, request, wanted, SignedIn(username, str(uuid4())), enrol="enrol" in form)
        step = parts.steps.begin(request, "confirm", username=username, made_here=True, enrol="enrol" in form)
        return _confirm_again(parts, request, wanted, {"step": step}, notice=_SENT)

    @router.post("/confirmUser")
    def confirm(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        return _confirm(parts, request, wanted, form)

    @router.post("/resendcode")
    def resend(request: Request, form: PostedForm) -> Response:
        wanted = read_request(parts, request)
        parts.browser.check_form(request, form.get("csrf", ""))
        username = parts.steps.read(request, form, "confirm")["username"]
        if not parts.lockout.may_try("mail", username):
            return _confirm_again(parts, request, wanted, form, problem=TOO_MANY)
        parts.accounts.resend(wanted.client, username)
        return _confirm_again(parts, request, wanted, form, notice=_SENT)

    return router


def _confirm(parts: Parts, request: Request, wanted: SignInRequest, form: Form) -> Response:
    step = parts.steps.read(request, form, "confirm")
    username = step["username"]
    if not parts.lockout.may_try("code", username):
        return _confirm_again(parts, request, wanted, form, problem=TOO_MANY)
    try:
        parts.accounts.confirm(wanted.client, username, form.get("code", "").strip())
    except AccountProblem as problem:
        return _confirm_again(parts, request, wanted, form, problem=str(problem))
    parts.lockout.succeeded("code", username)
    parts.steps.end(form, "confirm")
    if step["made_here"]:  # this browser set the password a moment ago
        return proceed(parts, request, wanted, SignedIn(username, str(uuid4())), enrol=step["enrol"])
    return form_page(parts, request, wanted, "done.html", heading="Account confirmed", text="You can sign in now.")


def _sign_up(parts: Parts, wanted: SignInRequest, form: Form) -> tuple[str, bool]:
    rules = parts.pool.rules()
    _require_self_sign_up(parts)
    email = form.get("email", "").strip()
    username = email if rules.email_as_username else form.get("username", "").strip()
    username = username if rules.case_sensitive else username.lower()
    if not username or "@" not in email:
        raise AccountProblem("A username and an email address are needed.")
    attributes = {name: form[name] for name in rules.required if name in form}
    confirmed = parts.accounts.sign_up(wanted.client, username, new_password(form), {**attributes, "email": email})
    return username, confirmed


def _require_self_sign_up(parts: Parts) -> None:
    if not parts.pool.rules().self_sign_up:
        raise UnsafeRequest(
            "invalid_request",
            "This user pool does not let people sign up by themselves.",
            "Ask the administrator for an account.",
        )


def _page(parts: Parts, request: Request, wanted: SignInRequest, form: Form, problem: str | None = None) -> Response:
    _require_self_sign_up(parts)
    rules = parts.pool.rules()
    return form_page(
        parts,
        request,
        wanted,
        "signup.html",
        problem=problem,
        values=form,
        ask_username=not rules.email_as_username,
        required=rules.required,
        hint=rules.password_hint,
        offer_mfa=rules.mfa == "OPTIONAL",
    )


def confirm_page(
    parts: Parts,
    request: Request,
    wanted: SignInRequest,
    username: str,
    *,
    problem: str,
) -> Response:
    """The page that asks somebody who came to sign in for the code that was sent when the account was made."""
    step = parts.steps.begin(request, "confirm", username=username, made_here=False, enrol=False)
    return form_page(parts, request, wanted, "confirm.html", step=step, problem=problem)


def _confirm_again(
    parts: Parts,
    request: Request,
    wanted: SignInRequest,
    form: Form,
    problem: str | None = None,
    notice: str | None = None,
) -> Response:
    return form_page(parts, request, wanted, "confirm.html", step=form["step"], problem=problem, notice=notice)
