"""Exercises of 02: challenges that lead nowhere, and challenges that say too much."""

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Asked, Reply, Server

Parameters = dict[str, str]


@exercise(
    "name-the-metadata",
    mutant="hides_the_metadata",
    kind=repairs.challenge(),
    stub="""
    def repair(parameters, server):
        # TODO: tell the client where the document lies (server.metadata is its address)
        return parameters
    """,
    nudge="The client has read this challenge and does not know where to go next. What told you, in step 2 of 00?",
    section="RFC 9728 §5.1",
)
def name_the_metadata(parameters: Parameters, server: Server) -> Parameters:
    """The challenge names the metadata."""
    return {**parameters, "resource_metadata": server.metadata}


@exercise(
    "do-not-blame",
    mutant="blames_missing_token",
    kind=repairs.challenge(),
    stub="""
    def repair(parameters, request):
        # TODO: who sent no token made no mistake (request.has_token says whether one came)
        return parameters
    """,
    nudge="An error code says that something was wrong with a token. Can that be, when there was none?",
    section="RFC 6750 §3.1",
)
def do_not_blame(parameters: Parameters, request: Asked) -> Parameters:
    """Only a token that came can be blamed."""
    if not request.has_token:
        parameters.pop("error", None)
    return parameters


@exercise(
    "let-pages-see",
    mutant="exposes_nothing",
    kind=repairs.answer("/mcp"),
    stub="""
    def repair(answer):
        # TODO: a page may read only those header fields of answer.headers that the answer exposes
        return answer
    """,
    nudge="Look at step 8 again: which field stood in the 401 for a page, and what did it list?",
    section="RFC 9110 §11.6.1",
)
def let_pages_see(answer: Reply) -> Reply:
    """The challenge is exposed by its name."""
    answer.headers["access-control-expose-headers"] = "WWW-Authenticate"
    return answer
