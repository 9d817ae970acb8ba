"""Reading a form that was posted, with limits."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from mcp_demo.local.domain.accounts import AccountProblem
from mcp_demo.oauth.authorization import single_valued
from mcp_demo.oauth.errors import InvalidRequest

Form = dict[str, str]
_MAX_BODY = 64 * 1024
_MAX_FIELDS = 50


async def posted_form(request: Request) -> Form:
    """The fields of an `application/x-www-form-urlencoded` body, those without a value left out.

    Raises:
        InvalidRequest: Another content type, a repeated field, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidRequest("The body must be application/x-www-form-urlencoded.")
    if not request.headers.get("content-length", "").isdecimal():
        raise InvalidRequest("The request must say how long its body is.")
    if int(request.headers["content-length"]) > _MAX_BODY:
        raise InvalidRequest("The body is too large.")
    async with request.form(max_files=0, max_fields=_MAX_FIELDS) as form:
        return single_valued((name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile))


PostedForm = Annotated[Form, Depends(posted_form)]


def new_password(form: Form) -> str:
    """A new password that was typed twice.

    Raises:
        AccountProblem: It is missing, or the two differ.
    """
    password = form.get("password", "")
    if not password or password != form.get("repeated", ""):
        raise AccountProblem("The two passwords are not the same.")
    return password
