-- The same job in nginx with LuaJIT: JSON by cjson, SHA-256 and Ed25519 by libsodium.
local ffi = require "ffi"
local cjson = require "cjson"
local base64 = require "ngx.base64"
ffi.cdef [[
int sodium_init(void);
int sodium_memcmp(const void *a, const void *b, size_t len);
void randombytes_buf(void *out, size_t len);
int crypto_hash_sha256(unsigned char *out, const unsigned char *in, unsigned long long len);
int crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk, const unsigned char *seed);
int crypto_sign_detached(unsigned char *sig, unsigned long long *len, const unsigned char *m,
                         unsigned long long mlen, const unsigned char *sk);
]]
local sodium = ffi.load("sodium")
sodium.sodium_init()

local issuer = {}
local bytes = ffi.typeof("unsigned char[?]")
local public_key, secret_key = bytes(32), bytes(64)
local hash, known, signature, random = bytes(32), bytes(32), bytes(64), bytes(16)
local header

local function encode(text)
    return base64.encode_base64url(text)
end

local function sha256(text)
    sodium.crypto_hash_sha256(hash, text, #text)
    return ffi.string(hash, 32)
end

function issuer.open(token, seed_hex)
    local seed = seed_hex:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end)
    sodium.crypto_sign_seed_keypair(public_key, secret_key, seed)
    ffi.copy(known, sha256(token), 32)
    local kid = encode(sha256('{"crv":"Ed25519","kty":"OKP","x":"' ..
                              encode(ffi.string(public_key, 32)) .. '"}'))
    header = encode('{"alg":"EdDSA","typ":"JWT","kid":"' .. kid .. '"}') .. "."
end

local function hex(text)
    return (text:gsub(".", function(byte) return string.format("%02x", byte:byte()) end))
end

local function refuse(status, code)
    ngx.status = status
    ngx.header["Content-Type"] = "application/json"
    ngx.print('{"code":', code, ',"message":"no","details":[]}')
end

function issuer.answer()
    local token = (ngx.var.http_authorization or ""):sub(8)
    sodium.crypto_hash_sha256(hash, token, #token)
    if sodium.sodium_memcmp(hash, known, 32) ~= 0 then
        return refuse(401, 16)
    end
    ngx.req.read_body()
    local good, body = pcall(cjson.decode, ngx.req.get_body_data() or "")
    if not good or type(body.attributes) ~= "table" then
        return refuse(400, 3)
    end
    sodium.randombytes_buf(random, 16)
    local now = ngx.time()
    local claims = '{"iss":"https://issuer.example","aud":["https://runtime.example.com"],' ..
        '"org":"acme","project":"dash","ins":{"4a8a08f0-9d2b-43ca-9149-1c1f00000000":' ..
        '[25,23,21,27]},"act":{"sub":"svc_4a8a08f0-9d2b-43ca-9149-1c1f00000001","tid":' ..
        '"4a8a08f0-9d2b-43ca-9149-1c1f00000002"},"iat":' .. now .. ',"nbf":' .. (now - 5) ..
        ',"exp":' .. (now + body.ttl_seconds) .. ',"jti":"' .. hex(ffi.string(random, 16)) ..
        '","attr":' .. cjson.encode(body.attributes) .. "}"
    local input = header .. encode(claims)
    sodium.crypto_sign_detached(signature, nil, input, #input, secret_key)
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Cache-Control"] = "no-store"
    ngx.print('{"runtimeHost":"https://runtime.example.com","instanceId":',
        '"4a8a08f0-9d2b-43ca-9149-1c1f00000000","accessToken":"', input, ".",
        encode(ffi.string(signature, 64)), '","ttlSeconds":', body.ttl_seconds,
        ',"refreshAfterSeconds":', math.floor(body.ttl_seconds * 0.8), "}")
end

return issuer
