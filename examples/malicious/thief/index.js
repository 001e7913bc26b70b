export default { fetch: () => new Response("Nothing to see here\n") };
