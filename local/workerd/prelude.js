// Runs in every JavaScript Worker of the namespace before its own modules, because workerd has no caches in Workers that
// are loaded at run time: named ones are kept by the namespace's Worker, for each Worker apart. `caches.default` is
// disabled in a namespace ("Worker isolation" in the documentation of Workers for Platforms).
import { env } from "cloudflare:workers";

const { LOCAL_CACHES: kept } = env;
delete env.LOCAL_CACHES;

class NamedCache {
  constructor(name) {
    this.name = name;
  }

  match(request, options) {
    return kept.match(this.name, new Request(request), options);
  }

  put(request, response) {
    return kept.put(this.name, new Request(request), response);
  }

  delete(request, options) {
    return kept.delete(this.name, new Request(request), options);
  }
}

const refuse = async () => {
  throw new Error("caches.default is disabled in a dispatch namespace: use caches.open(name).");
};

Object.defineProperties(caches, {
  default: { value: { match: refuse, put: refuse, delete: refuse }, configurable: true }, // as the runtime's is
  open: { value: async (name) => new NamedCache(String(name)) },
});
