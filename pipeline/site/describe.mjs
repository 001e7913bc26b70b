// Prints how wrangler's own code describes an app's static files: which there are (.assetsignore) and their types, what
// Cloudflare's router and asset Workers are told (_headers, _redirects), and what it says of those two files.
import files from "node:fs/promises";
import { ASSETS_PLUGIN } from "miniflare";

// Where git and wrangler keep their own; with it, no two checkouts of a commit would be the same.
const NOT_SERVED = /(^|[/\\])\.(git|wrangler)([/\\]|$)/;
const { readdir } = files;
files.readdir = async (...which) => (await readdir(...which)).filter((name) => !NOT_SERVED.test(name));

const config = JSON.parse(process.argv[2]);
const notes = [];
const note = (message) => notes.push(String(message?.message ?? message));
const log = { debug() {}, info: note, warn: note, error: note };

function settings(services, kind, name) {
  const service = services.find((found) => found.name === `assets:${kind}:${config.name}`);
  return JSON.parse(service.worker.bindings.find((binding) => binding.name === name).json);
}

async function described() {
  const services = await ASSETS_PLUGIN.getServices({ options: { config }, log, tmpPath: config.assets.directory });
  const { debug, ...assets } = settings(services, "assets-service", "CONFIG");
  const listed = Object.values(settings(services, "kv", "ASSETS_REVERSE_MAP"));
  return {
    assets,
    files: listed.map(({ filePath, contentType }) => [filePath, contentType]),
    notes,
    router: settings(services, "router", "CONFIG"),
  };
}

process.stdout.write(JSON.stringify(await described().catch((error) => ({ error: error.message }))));
