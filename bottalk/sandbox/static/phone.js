"use strict";

const $ = (id) => document.getElementById(id);
const PAUSE_MS = 1000;
let screen_ = null;
let user = sessionStorage.getItem("user") || "";
let shownChat = "";

async function call(method, path, body) {
  const answer = await fetch(`/control${path}`, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error || answer.statusText);
  return value;
}

/** Do something, say what went wrong if it did, and look again. */
async function act(work) {
  try {
    await work();
  } catch (error) {
    toast(error.message);
  }
  await refresh();
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").hidden = true; }, 4000);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, className, work) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", () => act(work));
  return made;
}

const inPath = (text) => encodeURIComponent(text);
const shortName = (id) => (id.length > 22 ? `${id.slice(0, 12)}…${id.slice(-9)}` : id);
const dayAndClock = (at) => new Date(at * 1000).toLocaleString("zh-CN", {
  hour12: false, month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit",
});
const clock = (at) => new Date(at * 1000).toLocaleTimeString("zh-CN", { hour12: false });

function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} 秒`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} 分钟`;
  return `${Math.floor(seconds / 3600)} 小时 ${Math.floor((seconds % 3600) / 60)} 分`;
}

function choose(id) {
  user = id;
  sessionStorage.setItem("user", id);
}

async function refresh() {
  try {
    screen_ = await call("GET", `/screen?user=${inPath(user)}`);
  } catch (error) {
    toast(`沙盒没有回答 (no answer): ${error.message}`);
    return;
  }
  const known = screen_.users.map((each) => each.user);
  if (!known.includes(user)) {
    const was = user;
    choose(known[0] || "");
    if (user !== was && user) return refresh();
  }
  draw();
}

function draw() {
  const me = screen_.users.find((each) => each.user === user);
  drawUsers();
  drawState(me);
  drawChat(me);
  if (!$("sheet").hidden) drawCodes();
  drawSwitches(me);
  drawFaults();
  drawCalls();
}

function drawUsers() {
  const select = $("user");
  const ids = screen_.users.map((each) => each.user);
  if (select.dataset.ids !== ids.join()) {
    select.dataset.ids = ids.join();
    select.replaceChildren(...ids.map((id) => new Option(shortName(id), id)));
    if (!ids.length) select.append(new Option("还没有用户 (no user)", ""));
  }
  select.value = user;
  select.title = user;
  select.disabled = !ids.length;
  const letter = user.replace(/^o9cq80/, "")[0] || "?";
  $("avatar").textContent = letter.toUpperCase();
  $("avatar").style.background = user ? `hsl(${(letter.charCodeAt(0) * 47) % 360} 48% 46%)` : "";
}

function verdict(me) {
  const bot = me.bot;
  if (bot.state === "dead") return ["bad", "已失效 dead", "机器人已失效，请重新扫码绑定。Scan a new code to bind again."];
  if (bot.state === "dozing") return ["warn", "打盹 dozing", "收发都回答 −14，直到客户端 notifystart。"];
  if (bot.state === "half_dead") return ["warn", "半死 half-dead", "能收，发送都回答 −14。"];
  if (bot.penalty_until) return ["bad", "惩罚中 penalty", `发得太快：还要 ${span(bot.penalty_until - screen_.now)}，期间发送都回答 −2。`];
  if (me.window === "never_opened") return ["warn", "待激活 not opened", "给机器人发任意一句话，它才能开始推送。Write any word to open the window."];
  if (me.window === "spent") return ["warn", "条数用完 spent", "回复任意一句，就又能收 10 条。Reply to get the next ones."];
  if (me.window === "aged") return ["warn", "窗口已关 aged", "超过 24 小时没有说话：回复任意一句即可恢复。"];
  return ["good", "可推送 open", `窗口还开 ${span(bot.closes_at - screen_.now)}（到 ${dayAndClock(bot.closes_at)}）。`];
}

function drawState(me) {
  $("state").hidden = !me || !me.bot;
  if ($("state").hidden) return;
  const [tone, name, hint] = verdict(me);
  const bot = me.bot;
  $("pill").className = `pill ${tone}`;
  $("pill").textContent = name;
  $("bot").textContent = me.typing ? "对方正在输入… typing" : bot.bot_id;
  $("count").textContent = bot.quota === null ? `${bot.used} / ∞` : `${bot.used} / ${bot.quota}`;
  $("meter").classList.toggle("full", bot.quota !== null && bot.used >= bot.quota);
  $("meter").setAttribute("aria-valuemax", bot.quota || 0);
  $("meter").setAttribute("aria-valuenow", bot.used);
  $("meter-fill").style.width = bot.quota ? `${Math.min(100, (100 * bot.used) / bot.quota)}%` : "0";
  $("hint").textContent = hint + (bot.backlogged === null ? "" : ` 积压 ${bot.backlogged} 条。`) + (me.silent_drop ? " 静默丢弃中。" : "");
}

function drawChat(me) {
  const chat = screen_.chat;
  const version = `${user} ${chat.length} ${chat.length && chat[chat.length - 1].at}`;
  if (version !== shownChat) {
    shownChat = version;
    const list = $("chat");
    list.replaceChildren();
    let last = 0;
    for (const message of chat) {
      if (message.at - last > 300) list.append(element("li", "time", clock(message.at)));
      last = message.at;
      const side = message.from_bot ? "bot-side" : "my-side";
      list.append(element("li", `bubble ${side}`, message.text));
      const meta = element("li", `meta ${side}`, clock(message.at));
      if (message.note) meta.append(" ", element("span", "note", message.note));
      list.append(meta);
    }
    list.scrollTop = list.scrollHeight;
  }
  drawEmpty(me, chat.length);
  const canWrite = Boolean(me);
  $("text").disabled = !canWrite;
  $("compose").querySelector("button").disabled = !canWrite;
}

const lines = (...texts) => texts.map((text) => element("div", "", text));

function drawEmpty(me, length) {
  const place = $("empty");
  place.hidden = length > 0;
  const kind = !me ? "nobody" : !me.bot ? "unbound" : "quiet";
  if (place.dataset.kind === kind) return;
  place.dataset.kind = kind;
  place.replaceChildren();
  if (kind === "nobody") {
    place.append(element("div", "big", "📱"), ...lines("还没有微信用户", "Nobody here yet"));
    place.append(button("造一个用户 make one", "primary", newUser));
  } else if (kind === "unbound") {
    place.append(element("div", "big", "🔳"), ...lines("还没有机器人：扫一扫客户端给出的二维码", "Scan a code to bind a bot"));
    place.append(button("扫一扫 scan", "primary", () => openSheet()));
  } else {
    place.append(element("div", "big", "💬"), ...lines("说句话，打开推送窗口", "Say something to open the window"));
  }
}

const STATES = {
  wait: "等待扫码 waiting", scanned: "已扫码，等待确认 scanned", need_code: "在客户端输入这组数字 type these digits into the client",
};

function drawCodes() {
  const place = $("codes");
  const codes = screen_.codes;
  const version = user + JSON.stringify(codes) + document.body.dataset.code;
  if (place.dataset.version === version) return;
  place.dataset.version = version;
  place.replaceChildren();
  if (!codes.length) place.append(element("li", "what", "现在没有可扫的二维码。No open code: ask the client for one."));
  for (const code of codes) place.append(codeCard(code));
}

function codeCard(code) {
  const card = element("li", code.qrcode === document.body.dataset.code ? "in-view" : "");
  card.append(element("div", "name", `# ${code.public_id}`));
  card.append(element("div", "what", `${STATES[code.state]} · ${clock(code.expires_at)} 过期 expires${code.user ? ` · ${shortName(code.user)}` : ""}`));
  if (code.digits) card.append(element("div", "digits", code.digits));
  const actions = element("div", "actions");
  if (code.state === "wait") actions.append(button("扫码 scan", "primary", () => scan(code.qrcode)));
  if (code.state === "scanned") actions.append(button("确认 confirm", "primary", async () => {
    await call("POST", `/codes/${code.qrcode}/confirm`);
    $("sheet").hidden = true;
    toast("已绑定，去说句话吧 (bound; now write a word)");
  }));
  actions.append(button("取消 cancel", "ghost", () => call("POST", `/codes/${code.qrcode}/cancel`)));
  card.append(actions);
  return card;
}

function drawSwitches(me) {
  const alive = Boolean(me && me.bot && me.bot.state !== "dead");
  for (const each of document.querySelectorAll("[data-switch]")) {
    const name = each.dataset.switch;
    each.disabled = !me || (!alive && name !== "silent_drop" && name !== "takeover" && name !== "backlog");
    if (!each.dataset.toggle) continue;
    const on = { half_dead: me?.bot?.half_dead, silent_drop: me?.silent_drop, backlog: me?.bot && me.bot.backlogged !== null }[name];
    each.setAttribute("aria-pressed", String(Boolean(on)));
    if (name === "backlog") each.disabled = !me || (!alive && !on);
  }
}

function drawFaults() {
  const names = screen_.faults.map((fault) => {
    const where = fault.endpoint ? ` · ${fault.endpoint}` : "";
    const count = fault.seconds ? ` · ${fault.seconds} s` : fault.times > 1 ? ` ×${fault.times}` : "";
    return `${fault.kind}${where}${count}`;
  });
  $("armed").replaceChildren(...names.map((name) => element("li", "", name)));
  $("disarm").disabled = !names.length;
}

function drawCalls() {
  const rows = screen_.calls.slice().reverse().map((entry) => {
    const row = element("tr");
    row.append(element("td", "", clock(entry.at)), element("td", "", entry.endpoint));
    row.append(element("td", entry.outcome, entry.outcome), element("td", "", entry.why));
    return row;
  });
  $("calls").replaceChildren(...rows);
}

async function newUser() {
  choose((await call("POST", "/users")).user);
}

async function scan(link) {
  if (!user) await newUser();
  const handle = link.includes("qrcode=") ? new URL(link, location.href).searchParams.get("qrcode") : link.trim();
  const result = await call("POST", `/codes/${inPath(handle)}/scan`, { user });
  if (!result.ok) toast(result.text);
}

function openSheet() {
  $("sheet").hidden = false;
  $("codes").dataset.version = "";
  if (screen_) drawCodes();
}

$("user").addEventListener("change", (event) => act(async () => choose(event.target.value)));
$("new-user").addEventListener("click", () => act(newUser));
$("open-scan").addEventListener("click", openSheet);
$("close-scan").addEventListener("click", () => { $("sheet").hidden = true; });
$("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  const link = $("pasted").value;
  $("pasted").value = "";
  if (link.trim()) act(() => scan(link));
});
$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !user) return;
  $("text").value = "";
  act(() => call("POST", `/users/${inPath(user)}/write`, { text }));
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});
for (const each of document.querySelectorAll("[data-switch]")) {
  each.addEventListener("click", () => act(() => {
    const order = { on: each.getAttribute("aria-pressed") !== "true" };
    if (each.dataset.seconds) order.seconds = Number(each.dataset.seconds);
    return call("POST", `/users/${inPath(user)}/switch/${each.dataset.switch}`, order);
  }));
}
for (const each of document.querySelectorAll("[data-fault]")) {
  each.addEventListener("click", () => act(() => {
    const chosen = { endpoint: $("endpoint").value || null, times: Number($("times").value) || 1 };
    return call("POST", "/faults", { ...chosen, ...JSON.parse(each.dataset.fault) });
  }));
}
$("disarm").addEventListener("click", () => act(() => call("DELETE", "/faults")));
$("reset").addEventListener("click", () => {
  if (confirm("清空沙盒里的一切？Forget everything?")) act(() => call("POST", "/reset"));
});

if (document.body.dataset.code) openSheet();

/** Look again for ever; a hidden page rests. */
(async () => {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
})();
