// Verifies the credentials of {jwks, cases: [{jwt, issuer, audience, now}]}: "" for good, or why not.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/golang-jwt/jwt"
)

type question struct {
	Jwks struct {
		Keys []struct{ Kid, X string }
	}
	Cases []struct {
		Jwt, Issuer, Audience string
		Now                   int64
	}
}

// The versions of the library differ in how they check claims, so the library reads them and we compare.
func check(claims *jwt.RegisteredClaims, issuer, audience string, now time.Time) error {
	switch {
	case claims.Issuer != issuer:
		return errors.New("issuer")
	case len(claims.Audience) != 1 || claims.Audience[0] != audience:
		return errors.New("audience")
	case claims.NotBefore == nil || now.Before(claims.NotBefore.Time):
		return errors.New("not yet valid")
	case claims.ExpiresAt == nil || !now.Before(claims.ExpiresAt.Time):
		return errors.New("expired")
	}
	return nil
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	find := func(token *jwt.Token) (interface{}, error) {
		for _, key := range asked.Jwks.Keys {
			if key.Kid == token.Header["kid"] {
				x, err := base64.RawURLEncoding.DecodeString(key.X)
				return ed25519.PublicKey(x), err
			}
		}
		return nil, errors.New("unknown kid")
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithoutClaimsValidation())
	answers := []string{}
	for _, c := range asked.Cases {
		claims := &jwt.RegisteredClaims{}
		_, err := parser.ParseWithClaims(c.Jwt, claims, find)
		if err == nil {
			err = check(claims, c.Issuer, c.Audience, time.Unix(c.Now, 0))
		}
		if err != nil {
			answers = append(answers, err.Error())
		} else {
			answers = append(answers, "")
		}
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
