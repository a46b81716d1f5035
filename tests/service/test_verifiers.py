"""Independent libraries accept what was minted, by the served JWKS, and refuse it tampered with."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import subprocess
from pathlib import Path

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import Client, pack, unpack
from daemon import ISSUER
from tools import cache_folder, run

HERE = Path(__file__).parent / "verifiers"
GO_SOURCES = Path("/usr/share/gocode")
AUDIENCE = "https://runtime.test"
BODIES = {"attributes": {"attributes": {"tenant": "a", "n": 1.50, "é": ["💡"]}},
          "user_email": {"user_email": "ada@example.com"}}


# ---- verifiers: each takes the JWKS and cases, and answers each with "" or why it refuses

def verify_jose(jwks, cases):
    with cache_folder("jose") as folder:
        for name in ("package.json", "package-lock.json", "jose.mjs"):
            (folder / name).write_bytes((HERE / name).read_bytes())
        installed = folder / "node_modules" / ".package-lock.json"
        if not installed.exists() or '"5.10.0"' not in installed.read_text(encoding="utf-8"):
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        return json.loads(run(["node", "jose.mjs"], {"jwks": jwks, "cases": cases}, cwd=folder))


def verify_go(jwks, cases):
    """Debian's package, in whichever version this release has."""
    library = "github.com/golang-jwt/jwt"
    if (GO_SOURCES / "src" / library / "v5").is_dir():
        library += "/v5"
    source = (HERE / "verify.go").read_text(encoding="utf-8")
    source = source.replace('"github.com/golang-jwt/jwt"', f'"{library}"')
    with cache_folder("go") as folder:
        (folder / "verify.go").write_text(source, encoding="utf-8")
        environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
                       "GOPATH": str(GO_SOURCES), "GOCACHE": str(folder / "cache")}
        run(["go", "build", "-o", "verify", "verify.go"], cwd=folder, env=environment)
        return json.loads(run([folder / "verify"], {"jwks": jwks, "cases": cases}))


def verify_pyjwt(jwks, cases):
    keys = pyjwt.PyJWKSet.from_dict(jwks).keys
    answers = []
    for case in cases:
        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz=None, at=case["now"]):
                return cls.fromtimestamp(at, tz)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jwt.api_jwt.datetime", Clock)
            try:
                kid = pyjwt.get_unverified_header(case["jwt"])["kid"]
                [key] = [key for key in keys if key.key_id == kid] or [None]
                # It alone compares iat with its clock, which RFC 7519 asks of nobody.
                pyjwt.decode(case["jwt"], key and key.key, algorithms=["EdDSA"],
                             issuer=case["issuer"], audience=case["audience"],
                             options={"require": ["exp", "nbf", "iat", "iss", "aud"],
                                      "verify_iat": False})
                answers.append("")
            except (pyjwt.PyJWTError, TypeError, ValueError) as error:
                answers.append(repr(error))
    return answers


def verify_openssl(jwks, cases):
    """The signature by openssl's command; what the header and the claims say, by hand."""
    keys = {key["kid"]: key["x"] for key in jwks["keys"]}
    with cache_folder("openssl") as folder:
        return [openssl_answer(folder, keys, **case) for case in cases]


def openssl_answer(folder, keys, jwt, issuer, audience, now):
    parts = jwt.split(".")
    header = json.loads(unpack(parts[0]))
    if len(parts) != 3 or header.get("alg") != "EdDSA" or header.get("kid") not in keys:
        return "header"
    spki = bytes.fromhex("302a300506032b6570032100") + unpack(keys[header["kid"]])
    (folder / "key.pem").write_text("-----BEGIN PUBLIC KEY-----\n"
                                    f"{base64.b64encode(spki).decode()}\n"
                                    "-----END PUBLIC KEY-----\n", encoding="ascii")
    (folder / "signed").write_text(".".join(parts[:2]), encoding="ascii")
    (folder / "signature").write_bytes(unpack(parts[2]))
    ran = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin",
                          "-in", "signed", "-sigfile", "signature"],
                         cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    if ran.returncode != 0:
        return ran.stdout + ran.stderr
    claims = json.loads(unpack(parts[1]))
    is_good = (claims["iss"], claims["aud"]) == (issuer, [audience])
    return "" if is_good and claims["nbf"] <= now < claims["exp"] else "claims"


VERIFIERS = {"jose": verify_jose, "go": verify_go, "pyjwt": verify_pyjwt,
             "openssl": verify_openssl}


# ---- what is done to a credential

def edited(part, **changes):
    return pack(json.dumps({**json.loads(unpack(part)), **changes}).encode())


def signed_hs256(jwt, key):
    """The well-known confusion: the public key, which everybody has, as a shared secret."""
    header, payload, _ = jwt.split(".")
    signed = f"{edited(header, alg='HS256')}.{payload}"
    return f"{signed}.{pack(hmac.digest(unpack(key['x']), signed.encode(), hashlib.sha256))}"


def signed_by_another(jwt):
    signed = jwt.rsplit(".", 1)[0]
    return f"{signed}.{pack(Ed25519PrivateKey.generate().sign(signed.encode()))}"


def tampered(jwt, key, claims):
    """Name → the case's changes, none of which a verifier may accept."""
    header, payload, signature = jwt.split(".")
    flipped = bytes([unpack(signature)[0] ^ 1]) + unpack(signature)[1:]
    twice = unpack(payload)[:-1] + b',"exp":4102444800}'
    return {
        "alg none, unsigned": {"jwt": f"{edited(header, alg='none')}.{payload}."},
        "alg none, signed": {"jwt": f"{edited(header, alg='none')}.{payload}.{signature}"},
        "alg HS256": {"jwt": signed_hs256(jwt, key)},
        "other kid": {"jwt": f"{edited(header, kid=pack(bytes(32)))}.{payload}.{signature}"},
        "changed header": {"jwt": f"{edited(header, typ='jwt')}.{payload}.{signature}"},
        "changed payload": {"jwt": f"{header}.{edited(payload, sub='admin')}.{signature}"},
        "a claim twice": {"jwt": f"{header}.{pack(twice)}.{signature}"},
        "later end": {"jwt": f"{header}.{edited(payload, exp=4102444800)}.{signature}"},
        "truncated signature": {"jwt": f"{header}.{payload}.{pack(unpack(signature)[:-1])}"},
        "no signature": {"jwt": f"{header}.{payload}."},
        "changed signature": {"jwt": f"{header}.{payload}.{pack(flipped)}"},
        "other key": {"jwt": signed_by_another(jwt)},
        "expired": {"now": claims["exp"]},
        "not yet valid": {"now": claims["nbf"] - 1},
        "wrong audience": {"audience": "https://runtime.test/"},
        "wrong issuer": {"issuer": f"{ISSUER}/"},
    }


def kept(claims):
    """Name → the case's changes that every verifier must accept."""
    return {"now": {}, "from the first second": {"now": claims["nbf"]},
            "to the last second": {"now": claims["exp"] - 1}}


@pytest.fixture(scope="module")
def cases(daemon, admin, project):
    """(body, name) → case and whether it is good, and the JWKS."""
    jwks = Client(daemon.address).ok("GET", "/.well-known/jwks.json")
    all_cases = {}
    for body in BODIES:
        credential = admin.credential(project["name"], BODIES[body])
        claims = credential.claims
        case = {"jwt": credential.jwt, "issuer": ISSUER, "audience": AUDIENCE,
                "now": claims["iat"]}
        [key] = [key for key in jwks["keys"] if key["kid"] == credential.header["kid"]]
        for name, changes in kept(claims).items():
            all_cases[body, name] = ({**case, **changes}, True)
        for name, changes in tampered(credential.jwt, key, claims).items():
            all_cases[body, name] = ({**case, **changes}, False)
    return jwks, all_cases


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_verifier(cases, verifier):
    jwks, all_cases = cases
    answers = VERIFIERS[verifier](jwks, [case for case, _ in all_cases.values()])
    assert len(answers) == len(all_cases) == 2 * 19
    wrong = {name: answer for (name, (_, is_good)), answer in zip(all_cases.items(), answers)
             if is_good != (answer == "")}
    assert not wrong


def test_pyjwt_from_the_url(daemon, admin, project):
    """The way a gateway in Python does it: the key fetched by its id from the served set."""
    credential = admin.credential(project["name"], BODIES["attributes"])
    keys = pyjwt.PyJWKClient(f"http://{daemon.address}/.well-known/jwks.json")
    key = keys.get_signing_key_from_jwt(credential.jwt)
    claims = pyjwt.decode(credential.jwt, key.key, algorithms=["EdDSA"], issuer=ISSUER,
                          audience=AUDIENCE)
    assert claims["attr"] == BODIES["attributes"]["attributes"]
