// An embedding app's route handler (Next.js, app/api/iframe/route.js): the browser asks it for the
// iframe's URL, it asks with the service token. Snake case, the longer path, "the default" as 0.
export async function POST(request) {
  const { resource, userId } = await request.json();
  const { RILL_URL, RILL_ORG, RILL_PROJECT, RILL_SERVICE_TOKEN } = process.env;
  const response = await fetch(
    `${RILL_URL}/v1/organizations/${RILL_ORG}/projects/${RILL_PROJECT}/iframe`,
    {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${RILL_SERVICE_TOKEN}`,
      },
      body: JSON.stringify({
        resource,
        type: "explore",
        theme_mode: "dark",
        external_user_id: userId,
        attributes: { tenant: "acme" },
        ttl_seconds: 0,
      }),
    },
  );
  const data = await response.json();
  if (!response.ok) return Response.json({ error: data.message }, { status: response.status });
  return Response.json({ iframeSrc: data.iframeSrc });
}
