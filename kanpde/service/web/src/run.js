// A finished run: evaluated at points; its fields in a frame of no origin.
import { ask, byId, el } from "./common.js";

const form = byId("evaluate");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const points = byId("points").value.trim().split("\n").map((line) => line.split(/[\s,;]+/).filter(Boolean).map(Number));
  const expressions = byId("expressions").value.split(",").map((one) => one.trim()).filter(Boolean);
  byId("told").textContent = "…";
  try {
    if (points.flat().some(Number.isNaN)) throw new Error("Points need numbers; there is something else. Write 0.5, 0.25 for example.");
    const { values } = await ask("POST", `/runs/${form.dataset.run}/evaluate`, { points, expressions });
    const head = el("tr", {}, ...[...Object.keys(JSON.parse(form.dataset.axes)), ...expressions].map((name) => el("th", { scope: "col" }, name)));
    const rows = values.slice(0, 200).map((row, place) => el("tr", {}, ...[...points[place], ...row].map((value) => el("td", {}, value === null ? "–" : String(Number(value.toPrecision(10)))))));
    byId("values").replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))));
    byId("told").textContent = values.length > 200 ? `The first 200 of ${values.length}.` : "";
  } catch (error) {
    byId("told").textContent = error.message;
    byId("values").replaceChildren();
  }
});

const viewer = byId("viewer");
byId("open-viewer")?.addEventListener("click", async ({ target }) => {
  target.disabled = true;
  const bytes = await (await fetch(viewer.dataset.file)).arrayBuffer();
  const frame = el("iframe", { src: "/static/viewer.html", sandbox: "allow-scripts allow-downloads", title: "Fields of the run" });
  window.addEventListener("message", (event) => {
    if (event.source === frame.contentWindow && event.data === "ready") frame.contentWindow.postMessage({ name: "result.h5", bytes }, "*");
  });
  viewer.replaceChildren(frame);
});
