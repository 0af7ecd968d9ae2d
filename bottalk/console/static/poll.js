// Ask again and again, politely.

import { Problem } from "./api.js";

const EVERY_MS = 2_000;
const LATER_MS = 10_000; // between two questions after SOON_MS, and the longest pause after failures
const SOON_MS = 600_000;
const HIDDEN_MS = 120_000; // a page out of sight asks this long: on a phone the person is in WeChat meanwhile
const SILENT_FAILURES = 1; // one lost answer is no news

const NO_NETWORK = "这台设备没有联网。连上以后，页面会自己继续。";
const NO_ANSWER = "暂时连不上 BotTalk，页面会自己重试。扫码照样有效，结果不会丢。";

/**
 * Call `ask` until it returns true, every 2 s. Problems that pass are told to `onTrouble` (a text, "" when over)
 * and tried again; others are thrown. A hidden page rests after a while and asks at once when seen again.
 * Ends silently when `signal` aborts.
 */
export async function poll(ask, { signal, onTrouble }) {
  const began = Date.now();
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (await ask()) return;
      if (failures > SILENT_FAILURES) onTrouble("");
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem && error.passes)) throw error;
      failures += 1;
      if (failures > SILENT_FAILURES) onTrouble(error.kind === "offline" ? NO_NETWORK : NO_ANSWER);
    }
    const normal = Date.now() - began < SOON_MS ? EVERY_MS : LATER_MS;
    await pause(Math.min(normal * 2 ** failures, LATER_MS), signal);
  }
}

/** Wait; shorter when the page comes into sight, longer while it has been out of sight for long. */
function pause(ms, signal) {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    let timer = setTimeout(due, ms);
    function due() {
      if (document.hidden && Date.now() - hiddenSince >= HIDDEN_MS) timer = undefined; // `seen` goes on
      else end();
    }
    function seen() {
      if (!document.hidden) end();
    }
    function end() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("online", seen);
      signal.removeEventListener("abort", end);
      resolve();
    }
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("online", seen);
    signal.addEventListener("abort", end);
  });
}

let hiddenSince = Date.now();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenSince = Date.now();
});
