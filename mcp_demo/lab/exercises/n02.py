"""Exercises of 02: challenges that lead nowhere, and challenges that say too much."""

from mcp_demo.lab import repairs
from mcp_demo.lab.exercise import exercise
from mcp_demo.lab.repairs import Asked, Server

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
