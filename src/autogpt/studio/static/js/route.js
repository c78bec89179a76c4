// Where the page is: #/runs/mine is room "runs", with the rest as its parts.
import { shared } from "./kept.js";

function read() {
  const [room, ...rest] = location.hash.replace(/^#\/?/, "").split("?")[0].split("/");
  return { room: room || "chat", parts: rest.map(decodeURIComponent) };
}

export const place = shared(read());
addEventListener("hashchange", () => place.set(read()));

export function path(room, ...parts) {
  return `#/${[room, ...parts.map(encodeURIComponent)].join("/")}`;
}

export function go(room, ...parts) {
  location.hash = path(room, ...parts);
}
