"""What only notebooks need, in five verbs: `start`, `begin`, `next_step`, `show`, `stop`.

Everything a learner sees comes from the package itself: the engine that drives the browser clients is walked here one
step at a time, and the cards are those of the flow panel.
"""

from mcp_demo.lab.display import show
from mcp_demo.lab.flow import Flow, begin, next_step
from mcp_demo.lab.stack import start, stop

__all__ = ["Flow", "begin", "next_step", "show", "start", "stop"]
