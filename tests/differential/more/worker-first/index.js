export default {
  async fetch(request, env) {
    const response = await env.FILES.fetch(request);
    return new Response(response.body, { status: response.status, headers: { ...Object.fromEntries(response.headers), "x-seen": "yes" } });
  },
};
