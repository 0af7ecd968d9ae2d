// Shows a state: the words, the step, the panel. Knows nothing of where states come from.

import { STATES } from "./words.js";

export const byId = (id) => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
};

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** `wechat`: inside WeChat's own browser; `phone`: another browser on a touch screen; else `desktop`. */
export const device = /MicroMessenger/i.test(navigator.userAgent)
  ? "wechat"
  : matchMedia("(hover: none) and (pointer: coarse)").matches ? "phone" : "desktop";

/** Show a state of STATES; `text` replaces its explanation. */
export function show(name, text) {
  if (byId("card").dataset.state === name && text === undefined) return; // polls say the same again and again
  const state = STATES[name];
  const before = document.activeElement;
  byId("card").dataset.state = name;
  byId("card").classList.toggle("busy", state.busy === true);
  say("state-title", state.title);
  say("state-en", state.en);
  say("state-text", text ?? state.text);
  markSteps(state.step, name === "done");
  for (const panel of document.querySelectorAll(".panel")) panel.hidden = panel.id !== `panel-${state.panel}`;
  trouble("");
  keepFocus(before, state.panel);
}

/** Say what is wrong, without leaving the state; "" takes it back. */
export function trouble(text, id = "trouble") {
  const line = byId(id);
  line.hidden = text === "";
  say(id, text);
}

/** Set a text, only when it is another one: a screen reader reads every change aloud. */
export function say(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

/** On a small screen the card may be out of sight when its picture comes. */
export function bringCard() {
  byId("card").scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

function markSteps(current, all) {
  for (const [at, item] of [...byId("steps").children].entries()) {
    item.classList.toggle("past", all || at + 1 < current);
    if (at + 1 === current) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  byId("steps").hidden = current === 0;
}

/** A keyboard that stood on something now hidden goes on from the new state's title (or its one field). */
function keepFocus(before, panel) {
  if (panel === "verify" && before !== byId("digits")) byId("digits").focus({ preventScroll: device !== "desktop" });
  else if (before !== null && before !== document.body && before.closest("[hidden]") !== null) {
    byId("state-title").focus({ preventScroll: true });
  }
}
