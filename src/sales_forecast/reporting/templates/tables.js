// A table wider than the page scrolls in its box; say so, and let the keyboard scroll it.
const marked = (box) => {
  const hidden = box.scrollWidth - box.clientWidth;
  const more = box.scrollLeft < hidden - 1;
  box.classList.toggle("more-left", box.scrollLeft > 1);
  box.classList.toggle("more-right", more);
  box.tabIndex = hidden > 1 ? 0 : -1;
  box.previousElementSibling.classList.toggle("shown", hidden > 1);
  box.previousElementSibling.style.visibility = more ? "visible" : "hidden";
};
const watcher = new ResizeObserver((entries) => entries.forEach((entry) => marked(entry.target)));
const markTables = () => document.querySelectorAll(".table").forEach((box) => {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "more columns: scroll the table \u2192";
  box.before(hint);
  box.addEventListener("scroll", () => marked(box), { passive: true });
  watcher.observe(box);
});
