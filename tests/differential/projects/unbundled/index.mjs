import common from "./lib/common.cjs";
import { name } from "./lib/name.mjs";
import text from "./lib/note.txt";

export default { fetch: () => Response.json({ common: common.name, name, text }) };
