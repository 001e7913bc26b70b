// Static files, served as Cloudflare serves them: its own router and asset Workers, here as classes in front of the
// app's Worker. `files.js` is made for each app.
import { WorkerEntrypoint, env } from "cloudflare:workers";
import { AssetWorkerInner } from "./asset-worker.js";
import { files, settings } from "./files.js";
import { RouterInnerEntrypoint } from "./router-worker.js";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 20; // as the runtime's fetch
const byPath = new Map(files.map((file) => [file.path, file]));
const byTag = new Map(files.map((file) => [file.tag, file]));

// Reads the files from modules, where Cloudflare's reads them from its own storage.
class Assets extends AssetWorkerInner {
  async unstable_exists(path) {
    return byPath.get(path)?.tag ?? null;
  }

  async unstable_getByETag(tag) {
    const { content, type } = byTag.get(tag);
    return { readableStream: new Response(content).body, contentType: type ?? undefined, cacheStatus: "HIT" };
  }
}

const assets = new Assets({}, { CONFIG: settings.assets });

// What the app has as its binding. Like the binding of a service, it follows redirects unless told otherwise, and
// answers with a plain Response; Python's SDK knows both by the names of their classes.
class Fetcher {
  async fetch(input, init) {
    let request = new Request(input, init);
    for (let redirects = 0; ; redirects++) {
      const response = await assets.fetch(request);
      const location = response.headers.get("location");
      if (request.redirect !== "follow" || !REDIRECTS.has(response.status) || location === null) {
        return Object.defineProperties(new Response(response.body, response), {
          redirected: { value: redirects > 0 },
          url: { value: request.url },
        });
      }
      if (redirects === MAX_REDIRECTS) throw new TypeError("Too many redirects.");
      request = redirected(request, response.status, location);
    }
  }
}

// The request for where a redirect leads (the Fetch standard's "HTTP-redirect fetch"); the asset Worker reads no body.
function redirected({ url, method, headers }, status, location) {
  const isFetched = status === 303 ? method !== "HEAD" : status < 303 && method === "POST";
  return new Request(new URL(location, url), { method: isFetched ? "GET" : method, headers });
}

const binding = new Fetcher();

function bind(variables) {
  if (settings.binding) variables[settings.binding] = binding;
}

// The main module loads this one before the app's, which may look at `env` while they load.
bind(env);

// A dispatch namespace has no default cache ("Worker Isolation" of Workers for Platforms' documentation), but SvelteKit
// asks it for every page. So it is one of the app's own, by a name.
const defaultCache = Object.fromEntries(
  ["match", "put", "delete"].map((method) => [
    method,
    async (...given) => (await caches.open("caches.default"))[method](...given),
  ]),
);
Reflect.defineProperty(caches, "default", { value: defaultCache, enumerable: true });

// Answers a request as the router Worker decides; `callApp` gives it to the app's Worker.
export function route(request, variables, ctx, callApp) {
  bind(variables); // `env` can't be imported where a compatibility flag says so
  const parts = { CONFIG: settings.router, ASSET_WORKER: assets, USER_WORKER: { fetch: callApp } };
  return new RouterInnerEntrypoint(ctx, parts).fetch(request);
}

// The default export in front of an app's.
export function inFrontOf(handler) {
  return class extends WorkerEntrypoint {
    fetch(request) {
      return route(request, this.env, this.ctx, (forwarded) =>
        typeof handler === "function"
          ? new handler(this.ctx, this.env).fetch(forwarded)
          : handler.fetch(forwarded, this.env, this.ctx),
      );
    }
  };
}
