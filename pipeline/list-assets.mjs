// Prints the files of an assets directory by wrangler's own rules (.assetsignore), with what they are served as.
import { buildAssetManifest } from "miniflare";

const { assetsReverseMap } = await buildAssetManifest(process.argv[2]);
const files = Object.values(assetsReverseMap).map(({ filePath, contentType }) => [filePath, contentType]);
process.stdout.write(JSON.stringify(files));
