// An app with static files: Cloudflare's own router and asset Workers, here as classes, in front of the app's Worker.
// `codius/site-files.js` is made for each app.
import { WorkerEntrypoint, withEnv } from "cloudflare:workers";
import { AssetWorkerInner } from "./codius/asset-worker.js";
import { RouterInnerEntrypoint } from "./codius/router-worker.js";
import { app, files, settings } from "./codius/site-files.js";

const byPath = new Map(files.map((file) => [file.path, file]));
const byTag = new Map(files.map((file) => [file.tag, file]));

// Reads the files from modules, where Cloudflare's reads them from its own storage.
class Assets extends AssetWorkerInner {
  async unstable_exists(path) {
    return byPath.get(path)?.tag ?? null;
  }

  async unstable_getByETag(tag) {
    const { content, type } = byTag.get(tag);
    return { readableStream: new Response(content).body, contentType: type, cacheStatus: "HIT" };
  }
}

export default class extends WorkerEntrypoint {
  fetch(request) {
    const assets = new Assets(this.ctx, { CONFIG: settings.assets });
    const worker = { fetch: (forwarded) => callApp(forwarded, this.env, this.ctx, assets) };
    const parts = { CONFIG: settings.router, ASSET_WORKER: assets, USER_WORKER: worker };
    return new RouterInnerEntrypoint(this.ctx, parts).fetch(request);
  }
}

function callApp(request, variables, ctx, assets) {
  const env = { ...variables };
  if (settings.binding) {
    env[settings.binding] = { fetch: (input, init) => assets.fetch(new Request(input, init)) };
  }
  const handler = app.default;
  // `env` of the module cloudflare:workers is the same one.
  return withEnv(env, () =>
    typeof handler === "function" ? new handler(ctx, env).fetch(request) : handler.fetch(request, env, ctx),
  );
}
