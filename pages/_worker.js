// Pages runs no Python: everything but the static files is the dashboard Worker's.
export default { fetch: (request, env) => env.DASHBOARD.fetch(request) };
