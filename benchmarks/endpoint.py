"""The MCP endpoints under load, side by side: rounds A B C, A B C, …, so that noise hits all alike."""

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from benchmarks import load
from benchmarks.issuer import Issuer, published
from benchmarks.load import Sample, Tokens
from benchmarks.ratios import CONNECTIONS, Cell, Results
from benchmarks.requests import Question, questions, right_answer
from benchmarks.servers import COMMANDS, Server, serving

_SECONDS = 1
FRESH_TOKENS = 12_000
"""More than any verifier here remembers: when a token comes round again, it has long been forgotten."""


def measure(
    rounds: int, only: str, folder: Path, say: Callable[[str], None]
) -> tuple[Results, dict[str, dict[str, float]]]:
    """Load every server with every question, round after round; and what each server's process weighs in the end.

    Each round has processes of its own: where code and data come to lie decides a few percent as long as one lives.

    Raises:
        SetupError: A server or a tool is missing.
        WrongAnswer: A server gave a wrong answer.
    """
    asked = [question for question in questions() if question.name.startswith(only)]
    results: dict[Cell, list[Sample]] = defaultdict(list)
    memory: dict[str, dict[str, float]] = {}
    with _issuing(folder, fresh=any(not question.open for question in asked)) as (jwks_uri, tokens):
        for number in range(rounds):
            with serving(list(COMMANDS), jwks_uri, folder) as servers:
                for question, connections in product(asked, CONNECTIONS):
                    for server, token in _order(question, connections, servers):
                        cell = Cell(question.name, connections, server.name, token)
                        say(f"round {number + 1} of {rounds}: {question.name}, {server.name}, {token} token")
                        results[cell].append(_ask(server, question, token, connections, tokens, folder))
                memory = {server.name: server.memory() for server in servers}
    return results, memory


@contextmanager
def _issuing(folder: Path, *, fresh: bool) -> Generator[tuple[str, Mapping[str, Tokens]]]:
    """The issuer's JWKS URL, and the tokens for each server."""
    issuer = Issuer()
    file = folder / "tokens"
    file.write_text("\n".join(issuer.tokens(FRESH_TOKENS if fresh else 1)))
    with published(issuer) as jwks_uri:
        yield jwks_uri, {name: Tokens(file, FRESH_TOKENS, issuer.token()) for name in COMMANDS}


def _order(question: Question, connections: int, servers: list[Server]) -> list[tuple[Server, str]]:
    """Who is asked, with which kinds of tokens, in the order of a round."""
    kinds: dict[str, tuple[str, ...]] = dict.fromkeys(("mcp-demo", "mcp SDK", "FastMCP"), ("known", "fresh"))
    if question.open:
        kinds = dict.fromkeys(kinds, ("none",)) | ({"bare": ("none",)} if question.name == "401 challenge" else {})
    else:
        kinds |= {"mcp-demo, open": ("none",)} | ({"mcp SDK, open": ("none",)} if connections > 1 else {})
    return [(server, token) for server in servers for token in kinds.get(server.name, ())]


def _ask(
    server: Server,
    question: Question,
    token: str,
    connections: int,
    tokens: Mapping[str, Tokens],
    folder: Path,
) -> Sample:
    own = tokens[server.name]
    answer = folder / "answer"
    answer.write_bytes(right_answer(server.port, question, None if token == "none" else own.known))  # noqa: S105
    sent = {"none": None, "known": own.known, "fresh": own}[token]
    return load.run(server, question.request, answer, connections, _SECONDS, sent)
