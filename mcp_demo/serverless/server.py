"""The MCP server's Lambda function. Its settings are environment variables; there is no secret among them."""

from mcp_demo.server.app import create_app
from mcp_demo.serverless.asgi import Instance

handler = Instance(create_app, "server")
