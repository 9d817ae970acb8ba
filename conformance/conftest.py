"""Lets `pytest conformance --mcp-url URL` work in this repository without naming the plugin."""

import pytest


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin, unless `-p conformance.pytest_plugin` or an installation has."""
    from conformance import pytest_plugin

    if not pluginmanager.is_registered(pytest_plugin):
        pluginmanager.import_plugin("conformance.pytest_plugin")
