"""Lets `pytest conformance --mcp-url URL` work in this repository without naming the plugin."""

import pytest


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin, unless `-p conformance.pytest_plugin` has."""
    if not pluginmanager.has_plugin("conformance.pytest_plugin"):
        pluginmanager.import_plugin("conformance.pytest_plugin")
