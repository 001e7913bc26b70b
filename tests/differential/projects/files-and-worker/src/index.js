import { WorkerEntrypoint, env } from "cloudflare:workers";
import { Greeter } from "./greeter.js";

const { ASSETS, GREETING, OPTIONS } = env;
export { Greeter };

async function asked(url, init) {
  try {
    const response = await ASSETS.fetch(url, init);
    const { status, redirected } = response;
    return { status, redirected, url: response.url, location: response.headers.get("location"), text: await response.text() };
  } catch (error) {
    return { error: error.name };
  }
}

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const url = new URL(request.url);
    const at = (path) => new URL(path, url);
    if (url.pathname === "/api/binding") {
      return Response.json([
        await asked(at("/index.html")),
        await asked(at("/about.html"), { redirect: "manual" }),
        await asked(at("/old")),
        await asked(at("/old"), { method: "POST" }),
        await asked(at("/see"), { method: "POST", body: "x" }),
        await asked(at("/loop")),
        await asked(at("/absent")),
        await asked("https://elsewhere.example/about"),
        await asked(new Request(at("/old"), request)),
      ]);
    }
    if (url.pathname === "/api/env") {
      const { env: variables, ctx } = this;
      return Response.json({
        greeting: [GREETING, variables.GREETING],
        options: OPTIONS,
        keys: Object.keys(variables).sort(),
        same: variables.ASSETS === env.ASSETS,
        greeted: await ctx.exports.Greeter.greet("you"),
      });
    }
    if (url.pathname === "/api/cache") {
      const cache = await caches.open("mine");
      await cache.put(at("/kept"), new Response("kept", { headers: { "cache-control": "max-age=99" } }));
      return new Response(await (await cache.match(at("/kept"))).text());
    }
    if (url.pathname === "/api/cache/default") {
      const cache = caches.default;
      await cache.put(at("/kept"), new Response("kept, too", { headers: { "cache-control": "max-age=99" } }));
      const kept = await (await cache.match(at("/kept"))).text();
      return Response.json([kept, await cache.delete(at("/kept")), (await cache.match(at("/kept"))) ?? null]);
    }
    if (url.pathname === "/api/echo") return new Response(await request.text(), { headers: { "x-method": request.method } });
    return Response.json({ method: request.method, url: request.url }, { status: 201 });
  }
}
