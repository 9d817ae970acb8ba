"""What only notebooks need, in a few verbs.

- The system: `start`, `stop`.
- The way: `where` shows the map, `predict` asks before you look, `expect_refusal` announces what must fail.
- The flow: `begin`, `next_step`, `Flow.diagram`, and `show` and `token` for what came back.
- Breaking things: `break_it` plants a bug of the conformance suite, `check` judges your repair, `hint` helps.

Everything a learner sees comes from the package itself: the engine that drives the browser clients is walked here one
step at a time, the cards are those of the flow panel, and the verdicts are those of the server and of the suite.
"""

from mcp_demo.lab.anatomy import token
from mcp_demo.lab.display import show
from mcp_demo.lab.flow import Flow, begin, next_step
from mcp_demo.lab.question import predict
from mcp_demo.lab.refusal import expect_refusal
from mcp_demo.lab.route import where
from mcp_demo.lab.stack import start, stop
from mcp_demo.lab.verdict import break_it, check, hint

__all__ = [
    "Flow",
    "begin",
    "break_it",
    "check",
    "expect_refusal",
    "hint",
    "next_step",
    "predict",
    "show",
    "start",
    "stop",
    "token",
    "where",
]
