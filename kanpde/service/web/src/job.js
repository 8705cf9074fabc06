// One job as it happens: state, curves, notes; Stop.
import { ask, byId, el, number, plot, positive, rowsOf } from "./common.js";

const about = byId("job").dataset;
const NAMES = { time_s: "seconds", n_parameters: "parameters" };
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
  byId("latest").replaceChildren(...rowsOf(shown.map(([name, value]) => [MEASURES[name] ?? NAMES[name] ?? name.replaceAll("_", " "), number(value)])));
  byId("measured").hidden = false;
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

function redraw() {
  chart?.destroy();
  chart = null;
  if (made.length) study();
  else draw();
}

on("status", state);
// The runs of a study as they come: error against size, a color for each model.
const made = [];
function study() {
  drawing = false;
  const models = [...new Set(made.map((one) => one.model))], sorted = [...made].sort((a, b) => a.parameters - b.parameters);
  const points = models.map((model) => sorted.map((one) => (one.model === model ? one.error : null)));
  plot(byId("curve"), models, [sorted.map((one) => one.parameters), ...points], { xLabel: "parameters", logX: true, points: true });
}

on("note", ({ text }) => tell(text));
on("run", (found) => {
  if (!(found.error > 0 && found.parameters > 0)) return;
  made.push(found);
  if (!drawing) {
    drawing = true;
    setTimeout(study, 200);
  }
});
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
  redraw();
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
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
