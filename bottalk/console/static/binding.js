// One code from its picture to the first word: ask for it, watch it, follow what the phone does.

import { busy, isSignedIn, me, showAccount, signedIn } from "./account.js";
import { Problem, call } from "./api.js";
import { keep, kept } from "./kept.js";
import { poll } from "./poll.js";
import { bringCard, byId, device, say, show, trouble } from "./view.js";

const ASK_MS = 30_000; // the daemon itself waits for WeChat here
const CHECK_MS = 8_000; // by then the digits have been judged
const SCANNED_ANYWAY = "扫码完成，没有新增通道。这个浏览器登录着下面的账户。";
const GRACE_MS = 15_000; // past the code's life, before the page stops hoping for the daemon's word

const PUBLIC = { ask: "api/channels/qrcode-public", status: "api/channels/bind-status-public/" };
const SIGNED_IN = { ask: "api/channels/qrcode", status: "api/channels/bind-status/" };

let watching = new AbortController();
let code = null; // {routes, handle, url, image, until}
let enteredAt = null; // when digits were last sent
let clock;

/** Stop watching; whatever was shown stays until something else is. */
export function leave() {
  watching.abort();
  clearInterval(clock);
  enteredAt = null;
}

export function wireBinding() {
  for (const id of ["start", "again", "renew", "more"]) {
    byId(id).addEventListener("click", (event) => busy(event.currentTarget, newCode));
  }
  byId("panel-verify").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, enter);
  });
}

/** Take up what this tab was doing before it was reloaded. */
export async function resume() {
  const was = kept();
  if (was === null) return;
  const isOpen = was.step === "code" && was.code?.until > Date.now();
  if (isOpen && was.code.routes.ask === PUBLIC.ask) return watchCode(was.code);
  if (!isOpen && was.step !== "write" && was.step !== "signed_in") return keep(null);
  try {
    const account = await me();
    signedIn(account.send_key);
    if (isOpen) return watchCode(was.code);
    if (was.step === "write") return await watchActivation(was.channel, account.send_key);
    return await showAccount(account.channel_count === 0 ? "no_channel" : "signed_in", account.send_key);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (!error.passes) keep(null);
    return trouble(error.kind === 401 ? "" : `${error.message} 然后刷新页面。`);
  }
}

async function newCode() {
  const from = byId("card").dataset.state ?? "start";
  const routes = isSignedIn() ? SIGNED_IN : PUBLIC;
  const before = code;
  leave();
  show("asking");
  byId("state-title").focus({ preventScroll: true });
  try {
    const { data } = await call(routes.ask, { method: "POST", body: {}, ms: ASK_MS });
    watchCode({
      routes,
      handle: data.qrcode,
      url: data.qrcode_url,
      image: data.qr_image,
      until: Date.now() + data.expire_time * 1000,
    });
    bringCard();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (before !== null && before.until > Date.now()) watchCode(before); // the old picture still works
    else show(from);
    trouble(error.message);
  }
}

function watchCode(found) {
  leave();
  code = found;
  keep({ step: "code", code });
  byId("qr").src = code.image;
  const link = new URL(code.url, location.href);
  byId("link").hidden = !/^https?:$/.test(link.protocol);
  byId("link").href = byId("link").hidden ? "" : link.href;
  show(waiting());
  tick();
  clock = setInterval(tick, 1000);
  watch(status);
}

/** Poll with `ask` until it ends; what does not pass is an end too. */
async function watch(ask) {
  watching = new AbortController();
  const { signal } = watching;
  try {
    await poll(() => ask(signal), { signal, onTrouble: trouble });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.detail === "Session mismatch") return end("mismatch");
    if (error.kind === 404) return end("lost");
    end("refused", error.message);
  }
  return undefined;
}

async function status(signal) {
  let data;
  try {
    ({ data } = await call(code.routes.status + encodeURIComponent(code.handle), { signal }));
  } catch (error) {
    if (error instanceof Problem && error.passes && Date.now() > code.until + GRACE_MS) return end("expired");
    throw error;
  }
  if (signal.aborted) return true;
  return follow(data);
}

/** Show what the daemon says of the code; whether that was its end. */
function follow(data) {
  if (data.id !== undefined) {
    bound(data);
    return true;
  }
  switch (data.status) {
    case "expired":
    case "verify_code_blocked":
      return end(data.status);
    case "bound":
      boundWithoutKey();
      return end("bound");
    case "need_verifycode":
      return askForDigits();
    case "scanned":
      enteredAt = null;
      show("scanned");
      return false;
    default:
      if (byId("card").dataset.state === "asking") show(waiting());
      return false;
  }
}

const waiting = () => (device === "desktop" ? "waiting" : "waiting_on_phone");

function askForDigits() {
  const shown = byId("card").dataset.state;
  if (enteredAt === null) {
    if (shown !== "verify_again") show("verify");
  } else if (Date.now() - enteredAt > CHECK_MS) {
    enteredAt = null;
    show("verify_again");
    byId("digits").select();
  }
  return false;
}

/** Send the digits once: each sending is a try, and WeChat counts them. */
async function enter() {
  const digits = byId("digits").value.replace(/\D/g, "");
  if (digits === "") {
    trouble("请输入手机上显示的数字。");
    return byId("digits").focus();
  }
  const { signal } = watching;
  try {
    enteredAt = Date.now();
    show("verifying");
    const path = `${code.routes.status}${encodeURIComponent(code.handle)}?verify_code=${digits}`;
    await call(path, { signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    if (!(error instanceof Problem)) throw error;
    enteredAt = null;
    show("verify_again", error.message);
  }
  return undefined;
}

function bound(data) {
  const open = (key) => watchActivation(data.id, key);
  if (data.send_key !== undefined) open(data.send_key);
  else me().then((account) => open(account.send_key), (error) => end("refused", error.message));
}

/** The daemon gives no key for this WeChat; the session may still be somebody's, who may see theirs. */
async function boundWithoutKey() {
  try {
    const account = await me();
    if (byId("card").dataset.state === "bound") await showAccount("signed_in", account.send_key, SCANNED_ANYWAY);
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // nobody's session: the page stays as it is
  }
}

async function watchActivation(channel, key) {
  leave();
  code = null;
  keep({ step: "write", channel });
  show("write");
  await watch(async (signal) => {
    const { data } = await call(`api/channels/${encodeURIComponent(channel)}/activation`, { signal });
    if (signal.aborted || !data.activated) return signal.aborted;
    leave();
    keep({ step: "signed_in" });
    await showAccount("done", key);
    return true;
  });
}

/** The code is over: say so; whether that was the end (always). */
function end(state, text) {
  leave();
  code = null;
  keep(null);
  show(state, text);
  return true;
}

function tick() {
  const seconds = Math.max(0, Math.ceil((code.until - Date.now()) / 1000));
  say("left", `还有 ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
}
