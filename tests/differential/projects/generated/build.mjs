import { mkdirSync, writeFileSync } from "node:fs";

const config = {
  name: "generated",
  main: "index.js",
  compatibility_date: "2026-01-01",
  no_bundle: true,
  rules: [{ type: "ESModule", globs: ["**/*.js"] }],
  vars: { MODE: "production" },
  assets: { directory: "../client", binding: "ASSETS" },
};
const files = {
  ".wrangler/deploy/config.json": JSON.stringify({ configPath: "../../dist/server/wrangler.json" }),
  "dist/client/assets/app-abc123.js": "console.log('built');\n",
  "dist/client/index.html": "<h1>built</h1>\n",
  "dist/server/chunks/page.js": "export const page = (mode) => `built for ${mode}`;\n",
  "dist/server/index.js":
    'import { page } from "./chunks/page.js";\nexport default { fetch: (r, env) => new Response(page(env.MODE)) };\n',
  "dist/server/wrangler.json": JSON.stringify(config),
};
for (const [name, content] of Object.entries(files)) {
  mkdirSync(name.slice(0, name.lastIndexOf("/")), { recursive: true });
  writeFileSync(name, content);
}
