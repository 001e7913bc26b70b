// Prints what wrangler reads of configs, by its own reader, which runs nothing of the app's. With files, of each of
// them; without any, of the config that a build tool left for the current folder, as `wrangler deploy` takes it.
import {
  experimental_readRawConfig,
  unstable_convertConfigBindingsToStartWorkerBindings,
  unstable_readConfig,
} from "wrangler";

function read(file) {
  const args = file ? { config: file } : {};
  const options = { useRedirectIfAvailable: !file, hideWarnings: true };
  const { rawConfig, configPath, userConfigPath } = experimental_readRawConfig(args, options);
  const found = { path: configPath, userPath: userConfigPath, content: rawConfig };
  try {
    const config = unstable_readConfig(args, options);
    const bindings = Object.entries(unstable_convertConfigBindingsToStartWorkerBindings(config) ?? {});
    return { ...found, main: config.main ?? "", bindings: bindings.map(([name, { type }]) => ({ name, type })) };
  } catch (error) {
    return { ...found, error: words(error) };
  }
}

function words(error) {
  const { line, column } = error.location ?? {};
  return (error.text ?? error.message) + (line ? ` (line ${line}, column ${column + 1})` : "");
}

function answer(file) {
  try {
    return read(file);
  } catch (error) {
    return { error: words(error) };
  }
}

const files = process.argv.slice(2);
process.stdout.write(JSON.stringify((files.length ? files : [undefined]).map(answer)));
