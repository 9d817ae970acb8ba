"""Failures of the machine or its set-up, as opposed to failures of the protocol (`mcp_demo.oauth.errors`)."""

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SetupError(Exception):
    """The environment does not let us work: a taken port, no browser, no credentials. Exit code 4.

    Args:
        problem: What is wrong, in one line.
        cure: What the person can do about it, in one line.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem} {cure}")
        self.problem = problem
        self.cure = cure

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback (IPython asks for it)."""
        return [str(self)]


def disk_full(error: BaseException) -> SetupError | None:
    """What an error means for the person, if it is that a disk is full; else None."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return None
    name = f"The file {error.filename}" if error.filename else "A file"
    return SetupError(f"{name} cannot be written: {error.strerror}.", "Make room on the disk, or name another folder.")
