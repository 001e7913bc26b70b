// Who types an amount means it: no other stays chosen beside it.
document.addEventListener("input", ({ target }) => {
  if (target.name === "other" && target.value) target.form.querySelector("[name=amount][value=other]").checked = true;
});
document.addEventListener("change", ({ target }) => {
  if (target.name === "amount" && target.value !== "other") target.form.elements.other.value = "";
});
