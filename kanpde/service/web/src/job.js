// One job as it happens: state, curves, notes; Stop.
import { ask, byId, el, number, plot, positive, rowsOf } from "./common.js";

const about = byId("job").dataset;
const MEASURES = { loss: "loss", heldout_residual: "held-out residual", rel_l2: "relative error" };
const SHOWN = 2000;
const steps = [], notes = byId("notes"), marks = [];
let chart = null, drawing = false, latest = {};

const source = new EventSource(`/jobs/${about.id}/events`);
const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));

function tell(text) {
  const near = notes.scrollTop + notes.clientHeight >= notes.scrollHeight - 8;
  notes.append(el("li", {}, text));
  if (near) notes.scrollTop = notes.scrollHeight;
}

function state(found) {
  const badge = byId("status");
  badge.textContent = found.status;
  badge.className = `badge ${found.status}`;
  byId("message").textContent = found.message;
}

function table() {
  const shown = Object.entries(latest).filter(([name]) => !["event", "progress"].includes(name));
  byId("latest").replaceChildren(...rowsOf(shown.map(([name, value]) => [MEASURES[name] ?? name.replaceAll("_", " "), number(value)])));
}

// At most a few times a second, however fast the steps come; a long course is thinned out.
function draw() {
  drawing = false;
  const thin = Math.ceil(steps.length / SHOWN);
  const kept = steps.filter((one, place) => place % thin === 0 || one.rel_l2 !== null);
  const names = Object.keys(MEASURES).filter((name) => kept.some((one) => one[name] > 0));
  if (!names.length) return;
  const data = [kept.map((one) => one.step), ...names.map((name) => positive(kept.map((one) => one[name])))];
  if (chart?.series.length === data.length) chart.setData(data);
  else {
    chart?.destroy();
    chart = plot(byId("curve"), names.map((name) => MEASURES[name]), data, { marks: () => marks });
  }
  table();
}

on("status", state);
// A study says of each run how it ended: "#3 KAN …, seed 0: done, rel_l2 1.2e-05"; its error over the count, live.
const made = {};
function study(text) {
  const found = text.match(/^#(\d+) (.+?)[ ,:].*rel_l2 ([\d.e+-]+)/);
  if (about.process !== "scaling" || !found) return;
  (made[found[2]] ??= []).push([Number(found[1]), Number(found[3])]);
  const counts = [...new Set(Object.values(made).flat().map(([count]) => count))].sort((a, b) => a - b);
  const lines = Object.values(made).map((runs) => counts.map((count) => runs.find(([one]) => one === count)?.[1] ?? null));
  plot(byId("curve"), Object.keys(made).map((name) => `${name}: relative error`), [counts, ...lines.map(positive)], { xLabel: "run", points: true });
}

on("note", ({ text }) => { tell(text); study(text); });
on("started", ({ parameters, points }) => tell(`${parameters} parameters, ${points} points`));
on("stage", ({ text }) => {
  tell(text);
  if (steps.length) marks.push(steps.at(-1).step);
});
on("step", (record) => {
  if (record.step <= (steps.at(-1)?.step ?? 0)) steps.length = 0; // begun again after an interruption
  steps.push(record);
  for (const [name, value] of Object.entries(record)) if (value !== null) latest[name] = value;
  byId("progress").value = record.progress ?? 0;
  if (!drawing) {
    drawing = true;
    setTimeout(draw, 200);
  }
});
on("end", (found) => {
  source.close();
  state(found);
  draw();
  byId("stop").hidden = true;
  if (found.status === "successful") byId("progress").value = 100;
  const link = byId("to-run");
  if (link && found.status !== "failed") link.hidden = false;
});
byId("stop").addEventListener("click", async () => {
  byId("stop").disabled = true;
  try {
    state(await ask("DELETE", `/jobs/${about.id}`));
  } catch (error) {
    byId("message").textContent = error.message;
  }
  setTimeout(() => { byId("stop").disabled = false; byId("stop").textContent = "Stop at once"; }, 60000);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chart?.destroy(); chart = null; draw(); });
