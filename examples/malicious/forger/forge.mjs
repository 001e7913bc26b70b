// Put an artifact with a manifest of another repository where the build would put its own.

import fs from "node:fs";

const artifact = "../../../artifact";
fs.mkdirSync(`${artifact}/modules`, { recursive: true });
fs.writeFileSync(`${artifact}/modules/index.js`, "export default { fetch: () => new Response('forged') };\n");
fs.writeFileSync(
  `${artifact}/manifest.json`,
  JSON.stringify({ source: { repository: "trusted/bank", commit: "0".repeat(40), directory: "" } }),
);
