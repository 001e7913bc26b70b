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

async function done(work) {
  await work;
  return new Response("done");
}

function numbers(parameters, ...names) {
  return names.map((name) => Number(parameters.get(name)));
}

export default {
  async fetch(request, env) {
    if (request.url.endsWith("/memory")) return Response.json(await env.DISPATCH_MEMORY.read());
    if (request.url.endsWith("/methods")) return Response.json(await env.COUNTS.methods());
    if (request.url.endsWith("/forget")) {
      return await done(Promise.all([env.LEASES.forget(), env.LEASES_FAR.forget()]));
    }
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/charged") {
      const { requests } = await env.BILLING.getByName(searchParams.get("app")).get_worker_billing();
      return new Response(requests);
    }
    if (pathname === "/pace") return await done(env.LEASES.pace(...numbers(searchParams, "step", "rate")));
    if (request.method !== "POST") return new Response("up");
    const { system, open } = await request.json();
    for (let first = 0; first < open.length; first += AT_ONCE) {
      const names = open.slice(first, first + AT_ONCE);
      await Promise.all(names.map((name) => systems[system].open(env, name)));
    }
    return Response.json(await systems[system].counts(env));
  },
};
