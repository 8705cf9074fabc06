// The list of problems: found by words, their equations typeset when they come into sight.
import { ask, byId, filtered } from "./common.js";

const cards = [...document.querySelectorAll(".problem")];
filtered(byId("find"), () => cards);

const waiting = [];
let busy = false;
async function next() {
  const card = waiting.shift();
  if (busy || !card) return;
  busy = true;
  try {
    const found = await ask("GET", `/problems/${card.dataset.name}/statement`);
    const parsed = new DOMParser().parseFromString(found.html, "text/html");
    const shown = [...parsed.querySelectorAll(".math")].slice(0, found.lines);
    if (shown.length) card.querySelector(".equations").replaceChildren(...shown);
  } catch { /* the equations as written stay */ }
  busy = false;
  next();
}
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) {
    seen.unobserve(target);
    waiting.push(target);
    next();
  }
});
cards.forEach((card) => seen.observe(card));
