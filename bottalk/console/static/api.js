// Calls to this daemon's JSON routes. Addresses are relative: the page may live under a path prefix.

const CALL_MS = 10_000;

/** Why a call failed, in words for the person. `kind`: offline, timeout, network, garbled, or the HTTP status. */
export class Problem extends Error {
  constructor(kind, text, detail = "") {
    super(text);
    this.kind = kind;
    this.detail = detail;
  }

  /** Whether the same call may work a little later, without the person doing anything. */
  get passes() {
    return typeof this.kind === "string" || this.kind >= 500 || this.kind === 429;
  }
}

/**
 * Call a route; its JSON object. Throws Problem when there is none, or when it says `success: false`;
 * throws the signal's AbortError when the caller no longer wants the answer.
 */
export async function call(path, { method = "GET", body, headers = {}, ms = CALL_MS, signal } = {}) {
  const cut = new AbortController();
  const stop = () => cut.abort();
  const timer = setTimeout(stop, ms);
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted?.();
    const options = { method, headers: { ...headers }, signal: cut.signal, cache: "no-store" };
    if (body !== undefined) {
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    return await answer(await fetch(path, options));
  } catch (error) {
    if (error instanceof Problem || signal?.aborted) throw error;
    throw unreachable(cut.signal.aborted);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

async function answer(response) {
  const text = await response.text();
  const found = object(text);
  if (found !== null && response.ok && found.success !== false) return found;
  const said = found === null ? "" : found.data?.message ?? found.data?.error ?? found.error ?? found.message ?? "";
  throw refused(response.ok && found === null ? "garbled" : response.status, String(said));
}

function object(text) {
  try {
    const found = JSON.parse(text);
    return found !== null && typeof found === "object" ? found : null;
  } catch {
    return null; // not JSON: a proxy's page, told as garbled or by its status
  }
}

function unreachable(timedOut) {
  if (!navigator.onLine) return new Problem("offline", "这台设备没有联网。连上网络后再试。");
  if (timedOut) return new Problem("timeout", "等了很久没有回答。请检查网络，再试一次。");
  return new Problem("network", "连不上 BotTalk。请检查网络，或看看它是否在运行。");
}

function refused(kind, said) {
  const advice = {
    garbled: "回答不是 BotTalk 给的。请检查中间的代理或网关。",
    401: "登录已过期。请重新扫码，或用 SendKey 登录。",
    429: "请求太频繁了。旧的二维码几分钟内失效，到时再试。",
    502: "暂时联系不上微信。过一两分钟再试。",
    503: "服务正忙，或暂时无法保存。过几秒再试。",
    504: "网关没有等到回答。过一会儿再试。",
  }[kind];
  if (advice !== undefined) return new Problem(kind, advice, said);
  if (kind === 403) return new Problem(kind, `${said || "没有权限"}。请联系这台 BotTalk 的管理员。`, said);
  if (/^Maximum \d+ channels/.test(said)) {
    return new Problem(kind, `这个账户的通道已到上限（${said.match(/\d+/)[0]} 个）。请先删掉不用的。`, said);
  }
  if (kind >= 500) return new Problem(kind, `服务器出错了（${kind}）。请稍后再试；一直这样，请看 BotTalk 的日志。`, said);
  return new Problem(kind, said || `请求没有成功（${kind}）。请刷新页面再试。`, said);
}
