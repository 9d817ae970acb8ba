// An MCP server guarded by the npm package mcp-auth in resource-server mode, as its documentation shows it; MCP itself
// is the TypeScript SDK.
import express from "express";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { MCPAuth } from "mcp-auth";

const env = process.env;
const url = new URL(env.TARGET_URL);
const scope = env.TARGET_SCOPE;

// The package compares `iss` with the issuer of its authorization server: tokens are the user pool's, so it names that.
const mcpAuth = new MCPAuth({
  protectedResources: [
    {
      metadata: {
        resource: url.href,
        scopesSupported: [scope],
        authorizationServers: [
          {
            type: "oidc",
            metadata: {
              issuer: env.TARGET_ISSUER,
              authorizationEndpoint: `${env.TARGET_DOMAIN}/oauth2/authorize`,
              tokenEndpoint: `${env.TARGET_DOMAIN}/oauth2/token`,
              jwksUri: env.TARGET_JWKS_URI,
              responseTypesSupported: ["code"],
              grantTypesSupported: ["authorization_code", "refresh_token"],
              codeChallengeMethodsSupported: ["S256"],
            },
          },
        ],
      },
    },
  ],
});

const app = express();
app.use(express.json());
app.use(mcpAuth.protectedResourceMetadataRouter());
app.use(url.pathname, mcpAuth.bearerAuth("jwt", { resource: url.href, audience: url.href, requiredScopes: [scope] }));
app.post(url.pathname, async (request, response) => {
  const server = new McpServer({ name: "Known target", version: "1" });
  server.registerTool("greet", { description: "Greet somebody." }, async () => ({
    content: [{ type: "text", text: "Hello." }],
  }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => void transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});
app.listen(Number(url.port), "127.0.0.1");
