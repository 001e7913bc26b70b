import page from "./page.html";
import { palette } from "./palette";

interface Env {
  COLORS: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const word = url.searchParams.get("word") ?? "codius";
    const colors = palette(word, Number(env.COLORS));
    switch (url.pathname) {
      case "/":
        return new Response(html(word, colors), { headers: { "content-type": "text/html; charset=utf-8" } });
      case "/palette.json":
        return Response.json({ word, colors });
      default:
        return new Response("Not found\n", { status: 404 });
    }
  },
};

function html(word: string, colors: string[]): string {
  const items = colors.map((color) => `<li style="background: ${color}">${color}</li>`);
  return page.replace("{word}", () => escape(word)).replace("{colors}", () => items.join("\n"));
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
