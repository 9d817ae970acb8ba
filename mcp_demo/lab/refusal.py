"""A cell that must fail: it is right only if it is refused for the reason that was announced."""

from html import escape
from types import TracebackType

from mcp_demo.exchange.redact import redact_text
from mcp_demo.lab.box import GOOD, STRONG, box, element
from mcp_demo.lab.display import Shown, display


class NotRefused(AssertionError):
    """What was to be refused was accepted, or refused for another reason."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback (IPython asks for it)."""
        return [f"✗ {self}"]


class expect_refusal:
    """Run a block that has to be refused: `with lab.expect_refusal(TokenRejected, reason="audience"): …`.

    Args:
        error: The kind of refusal.
        reason: Its `reason`, or its OAuth error code; None if the kind says enough.
    """

    def __init__(self, error: type[Exception], reason: str | None = None) -> None:
        self._error, self._reason = error, reason
        self._wanted = f"{error.__name__}" + (f" for the reason “{reason}”" if reason else "")

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Show the refusal in words.

        Raises:
            NotRefused: The block ended well, or with this kind of refusal for another reason.
        """
        if error is None:
            raise NotRefused(f"Nothing was refused; {self._wanted} was expected.")
        if not isinstance(error, self._error):
            return False  # a mistake in the cell, which must not hide behind the announced one
        found = getattr(error, "reason", None) or getattr(error, "error", None)
        if self._reason is not None and self._reason not in (found, getattr(error, "error", None)):
            raise NotRefused(f"Refused for the reason “{found}”; {self._wanted} was expected.") from error
        display(_words(error, str(found) if found else ""))
        return True


def _words(error: BaseException, reason: str) -> Shown:
    title = f"✓ Refused, as it must be: {type(error).__name__}" + (f" · {reason}" if reason else "")
    said = redact_text(str(error))
    html = box(title, element("p", f"{STRONG};{GOOD}", title), element("p", "margin:0", escape(said)))
    return Shown(html, f"{title}\n{said}")
