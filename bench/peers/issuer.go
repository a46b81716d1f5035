// The same job with Go's standard library alone.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"
)

type claims struct {
	Iss  string            `json:"iss"`
	Aud  []string          `json:"aud"`
	Org  string            `json:"org"`
	Prj  string            `json:"project"`
	Ins  map[string][]int  `json:"ins"`
	Act  map[string]string `json:"act"`
	Iat  int64             `json:"iat"`
	Nbf  int64             `json:"nbf"`
	Exp  int64             `json:"exp"`
	Jti  string            `json:"jti"`
	Attr json.RawMessage   `json:"attr"`
}

type reply struct {
	RuntimeHost         string `json:"runtimeHost"`
	InstanceID          string `json:"instanceId"`
	AccessToken         string `json:"accessToken"`
	TTLSeconds          int64  `json:"ttlSeconds"`
	RefreshAfterSeconds int64  `json:"refreshAfterSeconds"`
}

const instance = "4a8a08f0-9d2b-43ca-9149-1c1f00000000"

var encoding = base64.RawURLEncoding

func main() {
	seed, err := hex.DecodeString(os.Getenv("SEED"))
	if err != nil || len(seed) != ed25519.SeedSize {
		panic("SEED must be 64 hex digits")
	}
	key := ed25519.NewKeyFromSeed(seed)
	thumb := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` +
		encoding.EncodeToString(key.Public().(ed25519.PublicKey)) + `"}`))
	header := encoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT","kid":"` +
		encoding.EncodeToString(thumb[:]) + `"}`))
	known := sha256.Sum256([]byte(os.Getenv("TOKEN")))
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		token := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
		hash := sha256.Sum256([]byte(token))
		writer.Header().Set("Content-Type", "application/json")
		if subtle.ConstantTimeCompare(hash[:], known[:]) != 1 {
			writer.WriteHeader(401)
			return
		}
		var body struct {
			Attributes json.RawMessage `json:"attributes"`
			TTLSeconds int64           `json:"ttl_seconds"`
		}
		if json.NewDecoder(request.Body).Decode(&body) != nil || body.Attributes == nil {
			writer.WriteHeader(400)
			return
		}
		var jti [16]byte
		_, _ = rand.Read(jti[:])
		now := time.Now().Unix()
		text, _ := json.Marshal(claims{"https://issuer.example",
			[]string{"https://runtime.example.com"}, "acme", "dash",
			map[string][]int{instance: {25, 23, 21, 27}},
			map[string]string{"sub": "svc_4a8a08f0-9d2b-43ca-9149-1c1f00000001",
				"tid": "4a8a08f0-9d2b-43ca-9149-1c1f00000002"},
			now, now - 5, now + body.TTLSeconds, hex.EncodeToString(jti[:]), body.Attributes})
		input := header + "." + encoding.EncodeToString(text)
		signature := ed25519.Sign(key, []byte(input))
		writer.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(writer).Encode(reply{"https://runtime.example.com", instance,
			input + "." + encoding.EncodeToString(signature), body.TTLSeconds,
			body.TTLSeconds * 8 / 10})
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
