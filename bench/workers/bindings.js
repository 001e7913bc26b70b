// Bindings as on Cloudflare, the same ones for all systems.

const CACHED = { "cache-control": "public, max-age=60" };
const NEVER_MS = 1e9;
let asked = 0;

// `env` with a dispatch namespace in the shape of the real one, and with objects that are OBJECT_DELAY_MS away.
export function withNamespace(env) {
  const { APP, BILLING, OBJECT_DELAY_MS: delay } = env;
  return {
    ...env,
    DASHBOARD: { fetch: async () => Response.json({ asked: ++asked }, { headers: CACHED }) },
    UNKNOWN_APPS: { limit: async () => ({ success: true }) },
    BILLING: delay ? { getByName: (name) => distant(BILLING.getByName(name), name, delay) } : BILLING,
    DISPATCHER: { get: (name, args, options) => APP },
  };
}

// An object's stub whose calls take so many milliseconds more. "mute" never answers, "miser" never settles.
function distant(stub, object, delay) {
  const get = (_, method) => {
    if (method === "then") return undefined; // it is no promise
    const isStuck = object === "mute" || (object === "miser" && method === "settle_lease");
    return async (...parameters) => {
      await scheduler.wait(isStuck ? NEVER_MS : delay);
      return stub[method](...parameters);
    };
  };
  return new Proxy({}, { get });
}
