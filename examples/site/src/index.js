export default {
  async fetch(request, env) {
    const notes = await env.ASSETS.fetch(new URL("/notes/", request.url));
    return Response.json({ path: new URL(request.url).pathname, notes: (await notes.text()).length });
  },
};
