// A form is sent once: until the answer comes its button is busy, and another click does nothing.
(() => {
  const PATIENCE_MS = 15_000; // then the answer may have been lost, and the form can be sent again
  const sent = new Map(); // the forms that are under way, with their buttons

  const release = (form) => {
    sent.get(form)?.removeAttribute("aria-busy");
    sent.delete(form);
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    const button = event.submitter ?? form.querySelector("button");
    sent.set(form, button);
    button?.setAttribute("aria-busy", "true"); // not disabled: its value would not be sent
    setTimeout(release, PATIENCE_MS, form);
  });
  addEventListener("pageshow", () => [...sent.keys()].forEach(release)); // back by the browser's button
})();
