// What the page knows of the server: loaded models, rooms, running jobs. Asked every few seconds.
import { get } from "./api.js";
import { shared } from "./kept.js";

export const server = shared(null);
export const jobs = shared([]);
export const away = shared(false);

let timer;

export async function look() {
  clearTimeout(timer);
  try {
    const [state, queue] = await Promise.all([get("/v1/studio/state"), get("/v1/studio/jobs?limit=60")]);
    server.set(state);
    jobs.set(queue.jobs);
    away.set(false);
  } catch (error) {
    if (error.status !== 401 && error.status !== 403) away.set(true);
  }
  const busy = jobs.value.some((job) => ["queued", "running", "stopping"].includes(job.state));
  if (!document.hidden) timer = setTimeout(look, busy ? 2000 : 6000);
}

document.addEventListener("visibilitychange", () => !document.hidden && look());

export const busy = (list) => list.filter((job) => ["queued", "running", "stopping"].includes(job.state));
