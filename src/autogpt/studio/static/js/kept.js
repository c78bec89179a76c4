// What the browser keeps between visits (settings, conversations), and values that parts share.
import { useEffect, useState } from "./html.js";

const PREFIX = "studio.";

export function recall(name, otherwise) {
  try {
    const kept = localStorage.getItem(PREFIX + name);
    return kept === null ? otherwise : JSON.parse(kept);
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false; // full, or not allowed: the page works without
  }
}

// A value that several parts of the page show; they are drawn again when it changes.
export function shared(value) {
  const listeners = new Set();
  return {
    get value() {
      return value;
    },
    set(next) {
      value = typeof next === "function" ? next(value) : next;
      for (const listener of [...listeners]) listener(value);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useShared(cell) {
  const [value, set] = useState(cell.value);
  useEffect(() => {
    set(cell.value);
    return cell.listen((next) => set(() => next));
  }, [cell]);
  return value;
}
