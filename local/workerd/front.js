// The one door of the local stack. In production these are separate hosts: the dashboard's (here `localhost`),
// the apps' (a route `*.<apps domain>/*` to dispatch) and those of others: GitHub, Cloudflare's API.

const OTHERS = new Set(["127.0.0.1", "[::1]"]);

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/.local/control") return control(request, env);
    if (url.hostname === "localhost") return env.DASHBOARD.fetch(request);
    if (!OTHERS.has(url.hostname)) return anyDispatch(env).fetch(request);
    return fetch(new Request(env.OTHERS_ORIGIN + url.pathname + url.search, request), { redirect: "manual" });
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
  const targets = {
    billing: () => env.BILLING.getByName(name),
    "billing-worker": () => env.BILLING_WORKER,
    // `batch`, of statements without parameters; as D1's API answers.
    database: () => ({
      async batch(statements) {
        const results = await env.DB.batch(statements.map((sql) => env.DB.prepare(sql)));
        return results.map(({ results }) => results);
      },
    }),
    dashboard: () => env.DASHBOARD, // `scheduled`: what its cron trigger does
    namespace: () => env.NAMESPACE,
  };
  try {
    return Response.json((await targets[target]()[method](...parameters)) ?? null);
  } catch (error) {
    return Response.json({ error: error.message }, { status: 500 });
  }
}
