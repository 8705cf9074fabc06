// Several runs: courses on one picture, error against size on another.
import { byId, plot, positive } from "./common.js";

const runs = JSON.parse(byId("compare").dataset.runs);
const names = runs.map(({ run }) => run);

function draw() {
  const measure = byId("measure").value;
  const steps = [...new Set(runs.flatMap(({ course }) => course.map((one) => one.step)))].sort((a, b) => a - b);
  const lines = runs.map(({ course }) => {
    const found = new Map(course.map((one) => [one.step, one[measure]]));
    return positive(steps.map((step) => found.get(step) ?? null));
  });
  plot(byId("curve"), names, [steps, ...lines]);
  const sized = runs.filter(({ metrics }) => metrics.n_parameters > 0 && metrics.rel_l2 > 0);
  if (!sized.length) return;
  const sizes = [...new Set(sized.map(({ metrics }) => metrics.n_parameters))].sort((a, b) => a - b);
  const points = runs.map(({ metrics }) => sizes.map((size) => (metrics.n_parameters === size && metrics.rel_l2 > 0 ? metrics.rel_l2 : null)));
  plot(byId("sizes"), names, [sizes, ...points], { xLabel: "parameters", logX: true, points: true }); // colors as above
}
if (runs.length) {
  byId("measure").addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}
