// The one door of the local stack. In production these are separate hosts: the dashboard's, the apps'
// (a route `*.<apps domain>/*` to dispatch) and Cloudflare's API.

const OWN_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (!OWN_HOSTS.has(url.hostname)) return anyDispatch(env).fetch(request);
    if (url.pathname.startsWith("/client/v4/")) {
      return fetch(new Request(env.CLOUDFLARE_API_ORIGIN + url.pathname + url.search, request));
    }
    if (url.pathname === "/.local/control") return control(request, env);
    return env.DASHBOARD.fetch(request);
  },
};

// Any of the instances of dispatch that run.
function anyDispatch(env) {
  const instances = Object.keys(env).filter((name) => name.startsWith("DISPATCH_"));
  return env[instances[Math.floor(Math.random() * instances.length)]];
}

// What the stand-ins and the tests tell the running Workers.
async function control(request, env) {
  if (request.headers.get("authorization") !== `Bearer ${env.CONTROL_TOKEN}`) {
    return new Response("for the local stack itself", { status: 403 });
  }
  const { target, name, method, parameters } = await request.json();
  const receiver = { billing: () => env.BILLING.getByName(name), namespace: () => env.NAMESPACE }[target]();
  try {
    return Response.json((await receiver[method](...parameters)) ?? null);
  } catch (error) {
    return Response.json({ error: error.message }, { status: 500 });
  }
}
