// An MCP server made with the official TypeScript SDK, as its documentation shows it: its bearer middleware guards the
// endpoint, its metadata router describes it, and jose verifies the tokens.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { createRemoteJWKSet, jwtVerify } from "jose";

const env = process.env;
const url = new URL(env.TARGET_URL);
const scope = env.TARGET_SCOPE;
const keys = createRemoteJWKSet(new URL(env.TARGET_JWKS_URI));

const verifier = {
  async verifyAccessToken(token) {
    try {
      const options = { issuer: env.TARGET_ISSUER, audience: url.href, algorithms: ["RS256"] };
      const { payload } = await jwtVerify(token, keys, options);
      return {
        token,
        clientId: String(payload.client_id),
        scopes: String(payload.scope ?? "").split(" "),
        expiresAt: payload.exp,
        resource: url,
      };
    } catch (error) {
      throw new InvalidTokenError(String(error.code ?? "not a token"));
    }
  },
};

const discovery = `${env.TARGET_AUTHORIZATION_SERVER}/.well-known/oauth-authorization-server`;
const oauthMetadata = await (await fetch(discovery)).json();

const app = createMcpExpressApp({ host: "127.0.0.1" });
app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: url, scopesSupported: [scope] }));
app.use(
  url.pathname,
  requireBearerAuth({
    verifier,
    requiredScopes: [scope],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
    expectedResource: url,
  }),
);
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
