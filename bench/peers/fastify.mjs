// The same job with Fastify; signed by node:crypto, or by jose if SIGNER=jose.
import { createHash, createPrivateKey, randomBytes, sign, timingSafeEqual } from "node:crypto";
import Fastify from "fastify";
import { SignJWT } from "jose";

const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"),
    Buffer.from(process.env.SEED, "hex")]);
const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
const x = key.export({ format: "jwk" }).x;
const sha256 = (text) => createHash("sha256").update(text).digest();
const kid = sha256(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).toString("base64url");
const header = { alg: "EdDSA", typ: "JWT", kid };
const encoded = Buffer.from(JSON.stringify(header)).toString("base64url");
const known = sha256(process.env.TOKEN);
const instanceId = "4a8a08f0-9d2b-43ca-9149-1c1f00000000";

const signers = {
    crypto: async (claims) => {
        const input = `${encoded}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
        return `${input}.${sign(null, Buffer.from(input), key).toString("base64url")}`;
    },
    jose: (claims) => new SignJWT(claims).setProtectedHeader(header).sign(key),
};
const jwtOf = signers[process.env.SIGNER ?? "crypto"];

const server = Fastify();
server.post("/*", async (request, reply) => {
    const token = (request.headers.authorization ?? "").slice(7);
    if (!timingSafeEqual(sha256(token), known))
        return reply.code(401).send({ code: 16, message: "no", details: [] });
    const { attributes, ttl_seconds } = request.body;
    const now = Math.floor(Date.now() / 1000);
    const accessToken = await jwtOf({
        iss: "https://issuer.example", aud: ["https://runtime.example.com"], org: "acme",
        project: "dash", ins: { [instanceId]: [25, 23, 21, 27] },
        act: { sub: "svc_4a8a08f0-9d2b-43ca-9149-1c1f00000001",
               tid: "4a8a08f0-9d2b-43ca-9149-1c1f00000002" },
        iat: now, nbf: now - 5, exp: now + ttl_seconds, jti: randomBytes(16).toString("hex"),
        attr: attributes,
    });
    reply.header("Cache-Control", "no-store");
    return { runtimeHost: "https://runtime.example.com", instanceId, accessToken,
             ttlSeconds: ttl_seconds, refreshAfterSeconds: Math.floor(ttl_seconds * 0.8) };
});
await server.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
