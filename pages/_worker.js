// Pages runs no Python: everything but the static files is the dashboard Worker's.

// "Version overrides" and "Version affinity" of Workers' docs: visitors would choose the dashboard's version.
const VERSION_HEADERS = ["cloudflare-workers-version-overrides", "cloudflare-workers-version-key"];

export default {
  fetch(request, env) {
    if (VERSION_HEADERS.some((name) => request.headers.has(name))) {
      request = new Request(request);
      for (const name of VERSION_HEADERS) request.headers.delete(name);
    }
    return env.DASHBOARD.fetch(request);
  },
};
