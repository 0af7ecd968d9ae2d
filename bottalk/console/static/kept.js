// What this tab remembers: a phone often throws the page away while its owner is in WeChat.

const KEY = "bottalk.binding";

/** Remember where the binding stands (never a SendKey: the session can ask for it again). */
export function keep(what) {
  try {
    if (what === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(what));
  } catch {
    // storage is full or forbidden: the page works without, it only forgets when it is reloaded
  }
}

/** What was kept, or null. */
export function kept() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return found !== null && typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}
