// A dispatch namespace: runs what was uploaded to the Cloudflare API stand-in, each Worker in an isolate
// of its own. Its binding in dispatch is made by local_dispatch.py, which says by `request.cf.dispatch`
// which Worker is meant.

import { WorkerEntrypoint } from "cloudflare:workers";
import prelude from "./prelude.js";

export { Outbound } from "./outbound.js";

const text = (bytes) => new TextDecoder().decode(bytes);
const MODULES = {
  // Wrangler's name of a CommonJS module, as well.
  "application/javascript": (bytes) => ({ cjs: text(bytes) }),
  "application/javascript+module": (bytes) => ({ js: text(bytes) }),
  "application/javascript+commonjs": (bytes) => ({ cjs: text(bytes) }),
  "text/x-python": (bytes) => ({ py: text(bytes) }),
  "text/plain": (bytes) => ({ text: text(bytes) }),
  "application/json": (bytes) => ({ json: JSON.parse(text(bytes)) }),
  "application/octet-stream": (bytes) => ({ data: bytes.buffer }),
  "application/wasm": (bytes) => ({ wasm: bytes.buffer }),
};
// What the launcher adds to the product's own Python Workers, too: all begin with one snapshot of memory.
const LOCAL_PYTHON_FLAGS = ["python_workers_development", "experimental", "disable_python_dedicated_snapshot"];
const SNAPSHOT_OF_ITS_OWN = "python_dedicated_snapshot";
// Of the modules that are added to a JavaScript Worker.
const [PRELUDE, MAIN] = ["local-prelude.js", "local-main.js"];

// name -> promise of the uploaded script
const scripts = new Map();

function workerCode(script, exports, name) {
  const isPython = script.compatibility_flags.includes("python_workers");
  const modules = script.modules.map(({ name, type, content }) => [name, MODULES[type](Uint8Array.fromBase64(content))]);
  const variables = script.bindings.map(({ name, json, text }) => [name, json ?? text]);
  const code = {
    compatibilityDate: script.compatibility_date,
    compatibilityFlags: isPython ? pythonFlags(script.compatibility_flags) : script.compatibility_flags,
    allowExperimental: isPython,
    mainModule: script.main_module,
    modules: Object.fromEntries(modules),
    env: Object.fromEntries(variables),
    globalOutbound: exports.Outbound({
      props: { isPublic: script.compatibility_flags.includes("global_fetch_strictly_public") },
    }),
  };
  return isPython ? code : withPrelude(code, exports.NamedCaches({ props: { worker: name } }));
}

// Imports are evaluated in their order.
function pythonFlags(flags) {
  return [...flags.filter((flag) => flag !== SNAPSHOT_OF_ITS_OWN), ...LOCAL_PYTHON_FLAGS];
}

function withPrelude(code, caches) {
  const main = JSON.stringify(`./${code.mainModule}`);
  const script = `import "./${PRELUDE}"; import * as app from ${main}; export * from ${main}; export default app.default;`;
  const modules = { ...code.modules, [PRELUDE]: { js: prelude }, [MAIN]: { js: script } };
  return { ...code, mainModule: MAIN, modules, env: { ...code.env, LOCAL_CACHES: caches } };
}

async function download(origin, name) {
  const response = await fetch(`${origin}/${encodeURIComponent(name)}`);
  if (response.status === 404) throw new Error("Worker not found.");
  if (!response.ok) throw new Error(`the namespace's store answered ${response.status}`);
  return response.json();
}

// Wrangler turns errors of a default export into pages of its own; a named one is left alone.
export class Namespace extends WorkerEntrypoint {
  async fetch(request) {
    const { name } = request.cf.dispatch;
    const script = await this.find(name);
    const worker = this.env.LOADER.get(`${name}@${script.etag}`, () =>
      workerCode(script, this.ctx.exports, name),
    );
    // By its parts, because a copy of the request would have its `cf`, which an untrusted namespace's Workers don't.
    const { url, method, headers, body, redirect } = request;
    return worker.getEntrypoint().fetch(url, { method, headers, body, redirect });
  }

  find(name) {
    if (!scripts.has(name)) {
      const script = download(this.env.SCRIPTS_ORIGIN, name);
      scripts.set(name, script);
      script.catch(() => scripts.delete(name));
    }
    return scripts.get(name);
  }

  // Called when a script was uploaded or deleted.
  forget(name) {
    return scripts.delete(name);
  }
}

// The named caches of one Worker, which calls this by prelude.js.
export class NamedCaches extends WorkerEntrypoint {
  open(name) {
    return caches.open(`${this.ctx.props.worker}/${name}`);
  }

  async match(name, request, options) {
    return (await this.open(name)).match(request, options);
  }

  async put(name, request, response) {
    await (await this.open(name)).put(request, response);
  }

  async delete(name, request, options) {
    return (await this.open(name)).delete(request, options);
  }
}

export default {};
