"""An ASGI part as the handler of a Lambda function.

The part starts once for each instance and stays: its connections, keys and settings are kept from call to call. Mangum
translates events; it would start the part anew for each, so the start is ours. When something that the part needs to
start is away, callers are told to come back, and each of their calls is another try.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from mangum import Mangum

from mcp_demo.errors import SetupError
from mcp_demo.serverless.log import logged, request_id_of

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

IMPATIENT = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
"""For what a start asks AWS: API Gateway waits half a minute for an answer, botocore by itself much longer."""

_UNAVAILABLE = {"error": "temporarily_unavailable", "error_description": "The service cannot start now. Try again."}
_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "retry-after": "5"}


class Instance:
    """The handler of a Starlette application or router.

    Args:
        create: Makes the part.
        part: Its name in the log.
    """

    def __init__(self, create: Callable[[], Any], part: str) -> None:
        self._create, self._part = create, part
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._lifetime: asyncio.Task[None] | None = None
        self._adapter: Handler | None = None
        self._start()  # now rather than with the first call: Lambda gives a start more of the processor

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one event of an HTTP API (payload format 2.0)."""
        if self._adapter is None or self._lifetime is None or self._lifetime.done():
            self._start()
        if self._adapter is None:
            headers = _HEADERS | {"x-request-id": request_id_of(event)}
            return {"statusCode": 503, "headers": headers, "body": json.dumps(_UNAVAILABLE)}
        return self._adapter(event, context)

    def close(self) -> None:
        """End the part. Lambda never asks for it; whoever runs a handler elsewhere does."""
        if self._lifetime and not self._lifetime.done():
            self._lifetime.cancel()
            self._loop.run_until_complete(asyncio.wait({self._lifetime}))
        self._loop.close()

    def _start(self) -> None:
        self._adapter = None
        try:
            app = self._create()
            started = self._loop.create_future()
            # The task lives as long as the instance, which Lambda ends without a word.
            self._lifetime = self._loop.create_task(_serve(app, started))
            self._loop.run_until_complete(asyncio.wait({started, self._lifetime}, return_when=asyncio.FIRST_COMPLETED))
            if self._lifetime.done():
                self._lifetime.result()  # raises what kept it from starting
        except (BotoCoreError, ClientError, SetupError, ValueError) as error:
            line = {"event": "no start", "part": self._part, "cause": _cause(error)}
            sys.stdout.write(json.dumps(line, ensure_ascii=True) + "\n")
            return
        served: Any = logged(app, self._part)
        self._adapter = Mangum(served, lifespan="off")


def _cause(error: Exception) -> str:
    """What went wrong; the words of a ValueError may repeat a setting, so they are left out."""
    return type(error).__name__ if isinstance(error, ValueError) else str(error)


async def _serve(app: Any, started: "asyncio.Future[None]") -> None:
    router: Any = getattr(app, "router", app)
    async with router.lifespan_context(app):
        started.set_result(None)
        await asyncio.Event().wait()
