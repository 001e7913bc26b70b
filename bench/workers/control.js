// What the bench asks the running Workers: to open accounts, and what the objects have counted.
const FUNDS_CENTS = 10_000;
const AT_ONCE = 20;

const systems = {
  source: {
    counts: (env) => env.SOURCE_COUNTS.read(),
    async open(env, name) {
      await env.SOURCE_BILLING.getByName(name).addWorkerFunds(FUNDS_CENTS);
    },
  },
  ours: {
    counts: (env) => env.COUNTS.read(),
    async open(env, name) {
      const account = env.BILLING.getByName(name);
      if (name === "site") await account.set_schedule(1, [[0, "app0"]]);
      await account.open_account();
      await account.add_worker_funds("bench", FUNDS_CENTS);
    },
  },
};

const asked = {
  "/memory": async (env) => Response.json(await env.DISPATCH_MEMORY.read()),
  "/methods": async (env) => Response.json(await env.COUNTS.methods()),
  async "/stopping"(env) {
    return Response.json({ dispatch: await env.LEASES.is_stopping(), methods: await env.COUNTS.stopping() });
  },
  async "/charged"(env, parameters) {
    const { requests } = await env.BILLING.getByName(parameters.get("app")).get_worker_billing();
    return new Response(requests);
  },
  async "/forget"(env) {
    await Promise.all([env.LEASES.forget(), env.LEASES_FAR.forget()]);
    return new Response("done");
  },
  async "/pace"(env, parameters) {
    await env.LEASES.pace(Number(parameters.get("step")), Number(parameters.get("rate")));
    return new Response("done");
  },
};

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname in asked) return await asked[pathname](env, searchParams);
    if (request.method !== "POST") return new Response("up");
    const { system, open } = await request.json();
    for (let first = 0; first < open.length; first += AT_ONCE) {
      const names = open.slice(first, first + AT_ONCE);
      await Promise.all(names.map((name) => systems[system].open(env, name)));
    }
    return Response.json(await systems[system].counts(env));
  },
};
