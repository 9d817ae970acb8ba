"""The service example: one grant for each browser session."""

import importlib.util
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from client_world import RS, World

SERVICE = Path(__file__).parents[3] / "examples" / "service.py"
BASE = "https://service.example"


def load(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("MCP_URL", RS)
    monkeypatch.setenv("BASE_URL", BASE)
    spec = importlib.util.spec_from_file_location("service", SERVICE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "http", world.http())
    return module


async def test_the_service_calls_for_the_person_at_the_browser_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    app = httpx.ASGITransport(load(world, monkeypatch).app)
    async with (
        httpx.AsyncClient(transport=app, base_url=BASE) as one,
        httpx.AsyncClient(transport=app, base_url=BASE) as two,
    ):
        away = (await one.get("/")).headers["location"]
        callback = world.sign_in(away, f"{BASE}/callback")
        assert (await two.get(callback)).status_code == 400
        assert (await one.get(callback)).status_code == 303
        assert (await one.get("/")).json()["username"] == "demo"
        assert (await two.get("/")).status_code == 303
