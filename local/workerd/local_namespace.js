// `env` with a dispatch namespace, in the shape of the real binding: `get` returns at once something with
// `fetch`, whose promise rejects with "Worker not found." when no Worker of that name was uploaded.

class LocalWorker {
  constructor(service, name) {
    this.service = service;
    this.name = name;
  }

  fetch(request) {
    return this.service.fetch(request, { cf: { dispatch: { name: this.name } } });
  }
}

export function withNamespace(env) {
  const get = (name, args, options) => new LocalWorker(env.NAMESPACE, name);
  return { ...env, DISPATCHER: { get } };
}
