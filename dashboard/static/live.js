// What a page asks for in the background (htmx) can fail: the page keeps what it shows, says so, and asks again.
// The note is beside what is asked for, which takes the place of what is there.
(() => {
  const failures = new Map(); // by the id of the element that asked
  const note = document.createElement("p");
  note.id = "connection";
  note.className = "error container";
  note.setAttribute("role", "status");
  note.hidden = true;
  const LOGGED_OUT = "You are logged out.";
  let shown;

  const reason = (element, status) => {
    if (status === 401) return LOGGED_OUT;
    if (status === 404) return "This isn't here any more, or not for who is logged in now.";
    const again = element.getAttribute("hx-trigger").includes("every");
    return `The server can't be reached${again ? ", trying again" : ""}.`;
  };
  const show = () => {
    const [words] = failures.values();
    if (words === shown) return; // or it would be read out again, and its link lose the focus
    shown = words;
    note.hidden = words === undefined;
    note.textContent = words ?? "";
    if (words === LOGGED_OUT) {
      const link = document.createElement("a");
      link.href = `/login/github?next=${encodeURIComponent(location.pathname + location.search)}`;
      link.textContent = "Log in again";
      note.append(" ", link);
    }
  };
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks } = event.detail;
    const isWhole = ctx.response.status < 400 && tasks.some((task) => task.fragment.childElementCount > 0);
    if (isWhole) {
      failures.delete(ctx.sourceElement.id);
    } else {
      event.preventDefault(); // nothing, or what went wrong, would take the place of what is there
      failures.set(ctx.sourceElement.id, reason(ctx.sourceElement, ctx.response.status));
    }
    show();
  });
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (ctx === undefined) return;
    failures.set(ctx.sourceElement.id, reason(ctx.sourceElement));
    show();
  });
  document.addEventListener("DOMContentLoaded", () => document.getElementById("main").before(note));
})();
