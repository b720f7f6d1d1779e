"use strict";
// Searches and filters the texts of a report.
const form = document.querySelector("form");
if (form) {
  const search = form.querySelector("input");
  const reason = form.querySelector("select");
  const count = document.getElementById("count");
  const all = count.textContent;
  const rows = [...document.querySelectorAll(".texts > li")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach((row, at) => {
      const fits = !reason.value || row.dataset.reason === reason.value;
      row.hidden = !(fits && words.every((word) => texts[at].includes(word)));
      if (!row.hidden) shown += 1;
    });
    count.textContent = shown < rows.length ? `${shown} of these ${rows.length} texts` : all;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === search) return;
    event.preventDefault();
    search.focus();
  });
}
