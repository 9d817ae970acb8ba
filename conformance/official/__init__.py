"""The official conformance suite of MCP, run over our client and our bridge: `make official`."""
