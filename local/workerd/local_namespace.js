// `env` with a dispatch namespace, in the shape of the real binding: `get` returns at once something with
// `fetch`, whose promise rejects with "Worker not found." when no Worker of that name was uploaded.
export function withNamespace(env) {
  const get = (name, args, options) => ({
    fetch: (request) => env.NAMESPACE.fetch(request, { cf: { dispatch: { name } } }),
  });
  return { ...env, DISPATCHER: { get } };
}
