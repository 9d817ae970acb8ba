"""MCP authorization on AWS Cognito: an MCP server, an authorization bridge, clients, and the stack they run on."""

__version__ = "0.1.0"
