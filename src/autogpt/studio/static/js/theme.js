// Light, dark, or what the system says.
import { keep, recall, shared } from "./kept.js";

export const theme = shared(recall("theme", "auto"));
export const drawn = shared(""); // "light" or "dark", for what draws on a canvas

const system = matchMedia("(prefers-color-scheme: dark)");

function apply() {
  const dark = theme.value === "dark" || (theme.value === "auto" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  drawn.set(dark ? "dark" : "light");
}

export function choose(next) {
  keep("theme", next);
  theme.set(next);
  apply();
}

system.addEventListener("change", apply);
apply();
