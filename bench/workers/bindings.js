// Bindings as on Cloudflare, the same ones for all systems.

const CACHED = { "cache-control": "public, max-age=60" };
let asked = 0;

// `env` with a dispatch namespace in the shape of the real one, and with objects that are OBJECT_DELAY_MS away.
export function withNamespace(env) {
  const { APP, BILLING, OBJECT_DELAY_MS: delay } = env;
  return {
    ...env,
    DASHBOARD: { fetch: async () => Response.json({ asked: ++asked }, { headers: CACHED }) },
    UNKNOWN_APPS: { limit: async () => ({ success: true }) },
    BILLING: delay ? { getByName: (name) => distant(BILLING.getByName(name), delay) } : BILLING,
    DISPATCHER: { get: (name, args, options) => APP },
  };
}

// An object's stub whose calls take so many milliseconds more.
function distant(stub, delay) {
  const get = (_, name) => {
    if (name === "then") return undefined; // it is no promise
    return async (...parameters) => {
      await scheduler.wait(delay);
      return stub[name](...parameters);
    };
  };
  return new Proxy({}, { get });
}
