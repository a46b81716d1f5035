// An identity server: client_credentials with oidc-provider, its access tokens EdDSA JWTs.
import { createPrivateKey } from "node:crypto";
import { Provider } from "oidc-provider";

const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"),
    Buffer.from(process.env.SEED, "hex")]);
const jwk = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "jwk" });
const resource = "https://runtime.example.com";
const provider = new Provider(`http://127.0.0.1:${process.env.PORT}`, {
    clients: [{ client_id: "gateway", client_secret: process.env.TOKEN, redirect_uris: [],
                response_types: [], grant_types: ["client_credentials"],
                token_endpoint_auth_method: "client_secret_basic",
                id_token_signed_response_alg: "EdDSA" }],
    jwks: { keys: [{ ...jwk, use: "sig", alg: "EdDSA" }] },
    features: {
        clientCredentials: { enabled: true }, devInteractions: { enabled: false },
        resourceIndicators: {
            enabled: true, defaultResource: () => resource,
            getResourceServerInfo: () => ({ scope: "mint", audience: resource,
                accessTokenTTL: 3600, accessTokenFormat: "jwt",
                jwt: { sign: { alg: "EdDSA" } } }),
        },
    },
    extraTokenClaims: () => ({ attr: { email: "user@example.com", department: "sales",
                                       region: "us-west", customer_id: "acme-corp" } }),
});
provider.listen(Number(process.env.PORT), "127.0.0.1");
