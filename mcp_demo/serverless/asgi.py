"""An ASGI part as the handler of a Lambda function.

The part starts once for each instance and stays: its connections, keys and settings are kept from call to call. Mangum
translates events; it would start the part anew for each, so the start is ours.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from mangum import Mangum

from mcp_demo.serverless.log import logged

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def handler_of(app: Any, part: str) -> Handler:
    """The handler of a Starlette application or router.

    Args:
        app: The part.
        part: Its name in the log.
    """
    served: Any = logged(app, part)
    adapter = Mangum(served, lifespan="off")
    loop = asyncio.get_event_loop()
    started = loop.create_future()
    # The task lives as long as the instance, which Lambda ends without a word.
    lifetime = loop.create_task(_serve(app, started))
    loop.run_until_complete(asyncio.wait({started, lifetime}, return_when=asyncio.FIRST_COMPLETED))
    if lifetime.done():
        lifetime.result()  # raises what kept it from starting

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        assert not lifetime.done(), "the part has ended"  # noqa: S101 - also keeps the task referenced
        return adapter(event, context)

    return handler


async def _serve(app: Any, started: "asyncio.Future[None]") -> None:
    router: Any = getattr(app, "router", app)
    async with router.lifespan_context(app):
        started.set_result(None)
        await asyncio.Event().wait()
