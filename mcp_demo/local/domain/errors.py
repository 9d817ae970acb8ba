"""How each endpoint says no: to the app by redirect, to the app's back end as JSON, to the person as a page."""

from collections.abc import Mapping

from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mcp_demo.oauth.errors import OAuthError
from mcp_demo.oauth.redirect_uri import with_parameters
from mcp_demo.web.pages import Pages

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class RequestRefused(OAuthError):
    """An error that is Cognito's own, not OAuth's: `redirect_mismatch`, `login_required` and the like.

    Args:
        error: Its code.
        description: What is wrong, in words.
    """

    def __init__(self, error: str, description: str, *, status: int | None = None) -> None:
        super().__init__(description, status=status)
        self._error = error

    def as_dict(self) -> dict[str, str]:
        """The members of an error response."""
        return {"error": self._error, "error_description": self.description}


class UnsafeRequest(Exception):
    """The redirect URI or the client is not known good: the person is told, and nothing is sent anywhere.

    Args:
        error: Cognito's code.
        explanation: What happened, in plain words.
        cure: What to do.
    """

    def __init__(self, error: str, explanation: str, cure: str) -> None:
        super().__init__(explanation)
        self.error = error
        self.explanation = explanation
        self.cure = cure


def redirect(uri: str, parameters: Mapping[str, str | None]) -> RedirectResponse:
    """A redirect to a URI known to be registered; parameters without a value are left out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return RedirectResponse(with_parameters(uri, given), status_code=302, headers=NO_STORE)


def as_redirect(error: OAuthError, uri: str, state: str | None) -> RedirectResponse:
    """An error for the app (Cognito docs › The redirect and authorization endpoint)."""
    return redirect(uri, {**error.as_dict(), "state": state})


def as_json(error: OAuthError) -> JSONResponse:
    """An error for the app's back end: the code alone, always with status 400 (Cognito docs › Token endpoint)."""
    return JSONResponse({"error": error.as_dict()["error"]}, status_code=400, headers=NO_STORE)


def as_page(pages: Pages, error: UnsafeRequest) -> HTMLResponse:
    """An error for the person."""
    return pages.render(
        "refused.html",
        status=400,
        heading="This sign-in link does not work",
        explanation=error.explanation,
        cure=error.cure,
        code=error.error,
    )
