// Calls one of the two as its host would, with the body on standard input; prints status and body.
import { readFileSync } from "node:fs";
import { POST } from "./next_route.mjs";
import { handler } from "./netlify_function.mjs";

const body = readFileSync(0, "utf8");
if (process.argv[2] === "next") {
  const reply = await POST(new Request("https://app.test/api/iframe", { method: "POST", body }));
  console.log(JSON.stringify({ status: reply.status, body: await reply.json() }));
} else {
  const reply = await handler({ httpMethod: "POST", body });
  console.log(JSON.stringify({ status: reply.statusCode, body: JSON.parse(reply.body) }));
}
