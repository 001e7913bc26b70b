import { Buffer } from "node:buffer";
import { greet } from "greeting";
import module from "./answer.wasm";
import data from "./bytes.dat";
import text from "./note.txt";

declare const BUILT: string;

interface Env {
  NAME: string;
  DEEP: unknown;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const instance = await WebAssembly.instantiate(module);
    const { answer } = instance.exports as { answer(): number };
    return Response.json({
      answer: answer(),
      built: BUILT,
      bytes: [...new Uint8Array(data)],
      coded: Buffer.from("hex").toString("hex"),
      deep: env.DEEP,
      greeting: greet(env.NAME),
      path: new URL(request.url).pathname,
      text,
    });
  },
};
