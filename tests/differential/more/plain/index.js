export default {
  async fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/fails") throw new Error("as it may");
    return new Response(`${request.method} ${pathname}${search} ${await request.text()}`, {
      status: pathname === "/teapot" ? 418 : 200,
      headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]],
    });
  },
};
