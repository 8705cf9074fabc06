// The list of jobs, kept up to date while anything runs.
import { byId } from "./common.js";

async function refresh() {
  const box = byId("jobs");
  if (!document.hidden && box.querySelector(".running, .accepted")) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("jobs");
    if (answer.ok && found && !box.contains(document.activeElement)) box.replaceWith(found);
  }
  setTimeout(refresh, 2000);
}
setTimeout(refresh, 2000);
