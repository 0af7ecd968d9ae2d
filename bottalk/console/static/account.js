// The account once it is known: SendKey, the ready command, a test message, and the login by SendKey.

import { Problem, call } from "./api.js";
import { keep } from "./kept.js";
import { byId, say, show, trouble } from "./view.js";

const TRY_MS = 20_000; // a push waits up to 3 s for its outcome; slow networks add theirs
const ONLY_HERE = "下面的命令现在只能在运行 BotTalk 的机器上用。要给别的机器用，请设置 BASE_URL。";
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

let sendKey = "";

/** Whether an account is known here, so that a scan adds to it. */
export const isSignedIn = () => sendKey !== "";

export function signedIn(key) {
  sendKey = key;
  byId("login").hidden = true;
}

/** Show a state of the `done` panel for this key; `text` replaces its explanation. */
export async function showAccount(state, key, text) {
  signedIn(key);
  say("key", key);
  say("tried", "");
  const base = await publicAddress();
  say("curl", `curl -d "title=Hello from BotTalk" ${base.href.replace(/\/+$/, "")}/${key}.send`);
  show(state, text ?? (state !== "no_channel" && LOOPBACK.test(base.hostname) ? ONLY_HERE : undefined));
}

/** Ask who the session belongs to. Throws Problem 401 when to nobody. */
export async function me() {
  return (await call("api/auth/me")).data;
}

export function wireAccount({ leave }) {
  byId("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, () => logIn(leave));
  });
  byId("try").addEventListener("click", (event) => busy(event.currentTarget, tryOne));
}

async function logIn(leave) {
  const field = byId("login-key");
  const key = field.value.trim();
  trouble("", "login-trouble");
  if (key === "") return fault(field, "请填写 SendKey。");
  try {
    const { data } = await call("api/auth/login", { method: "POST", body: { send_key: key } });
    field.value = "";
    field.removeAttribute("aria-invalid");
    leave();
    keep({ step: "signed_in" });
    await showAccount(data.channel_count === 0 ? "no_channel" : "signed_in", data.send_key);
    byId("state-title").focus();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const wrong = error.kind === 200 ? `${error.detail}。请检查有没有少复制几个字符；它可能已被重置。` : error.message;
    fault(field, wrong);
  }
  return undefined;
}

function fault(field, text) {
  field.setAttribute("aria-invalid", "true");
  trouble(text, "login-trouble");
  field.focus();
}

/** A push like any other, by the key in a header: it must not stand in an address that the browser remembers. */
async function tryOne() {
  say("tried", "正在发送…");
  try {
    const answer = await call("notify", {
      method: "POST",
      headers: { Authorization: `Bearer ${sendKey}` },
      body: { title: "BotTalk", msg: "这是一条测试消息。收到它，就说明一切都通了。", strict: 0 },
      ms: TRY_MS,
    });
    say("tried", outcome(answer));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say("tried", error.message);
  }
}

function outcome({ code, message, data }) {
  if (code !== 0) return data?.hint || `${message}。`;
  return message === "queued" ? "已收下，轮到它时就送达。" : "已送到微信，看看手机。";
}

/** The address others reach this daemon by: BASE_URL, unless that leads nowhere and the browser knows better. */
async function publicAddress() {
  const here = new URL(".", location.href);
  let told = here;
  try {
    told = new URL((await call("api/config")).base_url);
  } catch (error) {
    if (!(error instanceof Problem || error instanceof TypeError)) throw error;
  }
  return LOOPBACK.test(told.hostname) && !LOOPBACK.test(here.hostname) ? here : told;
}

/** Run `work` with its button out of action: one press, one call. */
export async function busy(button, work) {
  if (button?.getAttribute("aria-disabled") === "true") return;
  button?.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}
