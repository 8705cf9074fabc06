// The HDF5 viewer, in a frame of no origin: it gets the bytes of one archive and nothing else.
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { App } from "@h5web/app";
import { H5WasmBufferProvider } from "@h5web/h5wasm";
import "@h5web/app/dist/styles.css";

const root = createRoot(document.getElementById("root"));
window.addEventListener("message", ({ source, data }) => {
  if (source !== window.parent || !(data?.bytes instanceof ArrayBuffer)) return;
  const app = createElement(App, { initialPath: "/solution", sidebarOpen: false, disableDarkMode: true });
  root.render(createElement(H5WasmBufferProvider, { filename: data.name, buffer: data.bytes }, app));
});
window.parent.postMessage("ready", "*");
