// A serverless function that does the same (Netlify, the form with `handler` and an event).
export const handler = async (event) => {
  const { RILL_URL, RILL_ORG, RILL_PROJECT, RILL_SERVICE_TOKEN } = process.env;
  const { resource, userId } = JSON.parse(event.body);
  const url = `${RILL_URL}/v1/organizations/${RILL_ORG}/projects/${RILL_PROJECT}/iframe`;
  const answer = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `bearer ${RILL_SERVICE_TOKEN}`,
      "content-type": "application/json; charset=utf-8",
    },
    body: JSON.stringify({ resource, external_user_id: userId, ttl_seconds: 0 }),
  });
  const { iframeSrc, message } = await answer.json();
  return { statusCode: answer.status, body: JSON.stringify({ iframeSrc, error: message }) };
};
