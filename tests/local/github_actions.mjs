// GitHub's own packages: evaluates an expression, or reads a workflow file. A JSON request a line, a JSON answer a line.
import { registerHooks } from "node:module";
import readline from "node:readline";

// The packages are made for bundlers, which need no attribute to import JSON.
const json = { importAttributes: { type: "json" } };
registerHooks({
  load: (url, context, next) => next(url, url.endsWith(".json") ? { ...context, ...json } : context),
});
const { Evaluator, Lexer, Parser, data } = await import("@actions/expressions");
const { truthy } = await import("../node_modules/@actions/expressions/dist/result.js");
const { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } = await import("@actions/workflow-parser");

function evaluated({ source, contexts, status }) {
  const functions = ["always", "success", "failure", "cancelled"].map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(name === "always" || name === status),
  }));
  const values = JSON.parse(JSON.stringify(contexts), data.reviver);
  const expression = new Parser(new Lexer(source).lex().tokens, Object.keys(contexts), functions).parse();
  const byName = new Map(functions.map((found) => [found.name, found]));
  const result = new Evaluator(expression, values, byName).evaluate();
  return { text: result.coerceString(), truthy: truthy(result) };
}

async function read({ name, workflow }) {
  const parsed = parseWorkflow({ name, content: workflow }, new NoOperationTraceWriter());
  const failed = parsed.context.errors.getErrors().map((error) => error.message);
  if (!parsed.value || failed.length) return { errors: failed };
  const template = await convertWorkflowTemplate(parsed.context, parsed.value);
  const jobs = template.jobs.map((job) => ({
    id: job.id.value,
    needs: (job.needs ?? []).map((need) => need.value),
    steps: job.steps.map(({ id, run, uses }) => ({ id, run: run?.toString() ?? null, uses: uses?.value ?? null })),
  }));
  const errors = [...parsed.context.errors.getErrors().map((error) => error.message), ...(template.errors ?? [])];
  return { errors, jobs, inputs: template.events.workflow_dispatch?.inputs ?? {} };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    console.log(JSON.stringify(await ("source" in request ? evaluated(request) : read(request))));
  } catch (error) {
    console.log(JSON.stringify({ errors: [error.message] }));
  }
}
