// Verifies the credentials of {jwks, cases: [{jwt, issuer, audience, now}]}: "" for good, or why not.
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, jwtVerify } from 'jose';

const { jwks, cases } = JSON.parse(readFileSync(0, 'utf8'));
const keys = createLocalJWKSet(jwks);
const answers = [];
for (const { jwt, issuer, audience, now } of cases) {
  try {
    await jwtVerify(jwt, keys, { issuer, audience, currentDate: new Date(now * 1000) });
    answers.push('');
  } catch (error) {
    answers.push(String(error));
  }
}
console.log(JSON.stringify(answers));
