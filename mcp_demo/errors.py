"""Failures of the machine or its set-up, as opposed to failures of the protocol (`mcp_demo.oauth.errors`)."""


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
