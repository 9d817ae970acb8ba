// A second authorization server for the MCP server: oidc-provider, certified by the OpenID Foundation.
//
//   PORT     where it listens, on this machine only
//   MCP_URL  the MCP server that it issues tokens for (RFC 8707); for any other resource it refuses
//
// Its sign-in pages take any name and password: they are for trying things out, and for nothing else.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

const port = Number(process.env.PORT ?? 3010);
const resource = process.env.MCP_URL ?? 'http://localhost:3001/mcp';
const issuer = `http://localhost:${port}`;
const scopes = [`${resource}/read`, `${resource}/write`];

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), alg: 'RS256', use: 'sig' };

function resourceServer(ctx, indicator) {
  if (indicator !== resource) throw new errors.InvalidTarget();
  return {
    scope: scopes.join(' '),
    audience: resource,
    accessTokenFormat: 'jwt', // RFC 9068: `typ` is at+jwt
    accessTokenTTL: 600,
    jwt: { sign: { alg: 'RS256' } },
  };
}

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  scopes: ['openid', 'offline_access', ...scopes],
  pkce: { required: () => true },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: resourceServer,
      useGrantedResource: () => true, // a token request without `resource` means the one that was granted
    },
  },
});

// The pages of the package load a font from elsewhere; this server keeps to this machine.
provider.use(async (ctx, next) => {
  await next();
  ctx.set('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
});

const server = provider.listen(port, '127.0.0.1', () => {
  const trusted = [{ issuer, jwks_uri: `${issuer}/jwks`, profile: 'rfc9068' }];
  console.log(`Issues tokens for ${resource} at ${issuer}. The MCP server trusts it with:`);
  console.log(`MCP_DEMO_MORE_ISSUERS='${JSON.stringify(trusted)}'`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close(() => process.exit(0)));
