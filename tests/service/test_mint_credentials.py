"""mint's credentials: minted, checked by the server's keys or others, refused where wrong."""

import json
import re
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import pack
from fake import fake, mint  # noqa: F401 (fixtures)


CREDENTIAL = {"runtimeHost": "https://r", "instanceId": "i", "accessToken": "aa.bb.cc",
              "ttlSeconds": 3600, "refreshAfterSeconds": 2880}


def test_issue(mint, fake):
    path = "/v1/orgs/acme/projects/boards/credentials"
    fake.on("POST", path, CREDENTIAL)
    ran = mint("issue", "--project", "boards", "--email", "ann@example.com", "--ttl", "1h")
    assert ran.stdout == "aa.bb.cc\n"
    mint("issue", "--project=boards", "--attributes", '{"t":"é"}', "--external-user-id", "u",
         "--ttl", "90", "--branch", "main")
    mint("issue", "--project=boards", "--user-id", "u-1")
    mint("issue", "--project=boards")
    assert [body for _, _, body in fake.asked] == [
        {"user_email": "ann@example.com", "ttl_seconds": 3600},
        {"attributes": {"t": "é"}, "external_user_id": "u", "ttl_seconds": 90, "branch": "main"},
        {"user_id": "u-1"}, {}]
    assert json.loads(mint("issue", "--project=boards", "--format=json").stdout) == CREDENTIAL


def test_explain(mint, fake):
    fake.on("POST", "/v1/orgs/acme/projects/boards/credentials",
            {"claims": {"sub": "x"}, "bytes": 9})
    said = mint("issue", "--project=boards", "--explain").stdout
    assert said == 'Claims: {"sub":"x"}\nBytes:  9\n'
    assert fake.asked[0][1].endswith("/credentials?explain=1")


def test_iframe(mint, fake):
    fake.on("POST", "/v1/orgs/acme/projects/boards/iframe",
            {**CREDENTIAL, "iframeSrc": "https://f/-/embed?a=b"})
    assert mint("iframe", "--project=boards", "--resource", "sales", "--navigation", "--theme-mode",
                "dark", "--query", "a=b=c", "--query", 'd"=').stdout == "https://f/-/embed?a=b\n"
    assert fake.asked[0][2] == {"resource": "sales", "navigation": True, "theme_mode": "dark",
                                "query": {"a": "b=c", 'd"': ""}}


def test_answers_without_what_is_wanted(mint, fake):
    fake.on("POST", "/v1/orgs/acme/projects/boards/credentials", {"accessToken": 1})
    fake.on("GET", "/v1/orgs", {"nextPageToken": ""})
    assert "holds no accessToken" in mint("issue", "--project=boards", status=1).stderr
    assert "holds no list" in mint("org", "list", status=1).stderr


@pytest.fixture
def signer(fake):
    """Makes JWTs that the fake server's JWKS vouches for."""
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": pack(raw), "kid": "k1", "alg": "EdDSA",
           "use": "sig"}
    fake.on("GET", "/.well-known/jwks.json", {"keys": [jwk]})
    fake.on("GET", "/.well-known/openid-configuration", {"issuer": "https://mint.test"})
    now = int(time.time())

    def sign(header=None, **claims):
        parts = [{"alg": "EdDSA", "typ": "JWT", "kid": "k1", **(header or {})},
                 {"iss": "https://mint.test", "aud": ["https://r"], "iat": now, "nbf": now - 5,
                  "exp": now + 3600, "attr": {"tenant": "é"}, **claims}]
        signed = ".".join(pack(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{pack(key.sign(signed.encode()))}"
    sign.jwks = {"keys": [jwk]}
    sign.now = now
    return sign


def test_verify(mint, fake, signer):
    text = mint("verify", signer()).stdout
    assert re.search(r"^header\n  alg: EdDSA\n", text) and '  attr: {"tenant":"é"}\n' in text
    assert re.search(rf"^  exp: {signer.now + 3600}  \d{{4}}-.*Z \(in (59m\d\ds|1h)\)$", text,
                     re.MULTILINE)
    assert re.search(r"^valid for (59m\d\ds|1h) more$", text, re.MULTILINE)
    assert mint("verify", "-", stdin=signer() + "\n").stdout.startswith("header")
    assert mint("verify", stdin=signer()).stdout.startswith("header")
    assert all("Authorization" not in headers for _, _, _, headers in fake.requests)
    ran = mint("verify", signer(), "--format", "json", "--audience", "https://r")
    outcome = json.loads(ran.stdout)
    assert outcome["valid"] and outcome["reason"] == ""
    assert outcome["claims"]["attr"] == {"tenant": "é"}
    assert 3590 <= outcome["expiresInSeconds"] <= 3600 and outcome["header"]["kid"] == "k1"
    mint("verify", signer(aud="https://r"), "--audience", "https://r")


def test_verify_refuses(mint, signer):
    def refused(jwt, why, *arguments):
        ran = mint("verify", jwt, *arguments, status=1)
        assert f"not valid: {why}" in ran.stderr
        outcome = json.loads(mint("verify", jwt, "--format=json", *arguments, status=1).stdout)
        assert outcome["valid"] is False and why in outcome["reason"]
    good = signer()
    refused(good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"), "its signature is wrong")
    refused("garbage", "it has not three parts")
    refused(signer(header={"alg": "none"}), "its alg is not EdDSA")
    refused(signer(header={"kid": "other"}), "its kid is none of the keys'")
    refused(signer(iss="https://other"), "its iss is not the issuer")
    refused(signer(), "its iss is not the issuer", "--issuer", "https://other")
    refused(signer(), "its aud is another audience", "--audience", "https://other")
    refused(signer(aud=None), "its aud is another audience", "--audience", "https://r")
    refused(signer(exp=signer.now - 30), "it has expired")
    refused(signer(nbf=signer.now + 90), "it is not valid yet")
    refused(signer(exp="soon"), "its nbf or exp is not a whole number")
    mint("verify", signer(exp=signer.now - 30), "--leeway", "2m")
    mint("verify", signer(nbf=signer.now + 90), "--leeway", "2m")


def test_verify_with_keys_from_elsewhere(mint, fake, signer, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(signer.jwks), encoding="utf-8")
    assert "more (any issuer)" in mint("verify", signer(), "--jwks", file).stdout
    assert fake.requests == []
    mint("verify", signer(), "--jwks", file, "--issuer", "https://other", status=1)
    assert "valid for" in mint("verify", signer(), "--jwks", f"{fake.url}/.well-known/jwks.json",
                               "--issuer", "https://mint.test").stdout
    file.write_text("[]", encoding="utf-8")
    assert "holds no JSON object" in mint("verify", signer(), "--jwks", file, status=1).stderr
    assert "cannot read" in mint("verify", signer(), "--jwks", "/nowhere", status=1).stderr


def test_verify_without_an_issuer(mint, fake, signer):
    fake.answers[("GET", "/.well-known/openid-configuration")] = [(200, {})]
    assert "give --issuer" in mint("verify", signer(), status=1).stderr
    fake.answers[("GET", "/.well-known/jwks.json")] = [(500, {"message": "no keys"})]
    assert "no keys (500" in mint("verify", signer(), status=1).stderr
