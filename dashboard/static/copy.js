// A button beside a command copies it, and says so.
(() => {
  const SAID_MS = 2_000;

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button === null) return;
    try {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed: select the text";
    }
    setTimeout(() => (button.textContent = "Copy"), SAID_MS);
  });
})();
