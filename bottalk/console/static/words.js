// What the page says in each state: step (1 to 4, 0 for none), panel, and the words.

export const STATES = {
  start: {
    step: 1, panel: "start", title: "用微信扫一个码", en: "Scan one code with WeChat",
    text: "按下按钮，取一个五分钟有效的码。",
  },
  asking: {
    step: 1, panel: "none", busy: true, title: "正在取二维码", en: "Asking WeChat for a code", text: "一般只要一两秒。",
  },
  waiting: {
    step: 1, panel: "code", busy: true, title: "等待扫码", en: "Waiting for the scan",
    text: "用微信「扫一扫」扫下面的码，再在手机上确认。",
  },
  waiting_on_phone: {
    step: 1, panel: "code", busy: true, title: "等待扫码", en: "Waiting for the scan",
    text: "自己扫不了自己的屏幕：长按下面的图识别，或打开它的链接。",
  },
  scanned: {
    step: 2, panel: "code", busy: true, title: "已扫码，请在手机上确认", en: "Scanned: confirm on the phone",
    text: "确认后，这一页会自己往下走。",
  },
  verify: {
    step: 2, panel: "verify", title: "输入手机上显示的数字", en: "Type in the digits shown on the phone",
    text: "微信要核对：手机和这个页面是同一个人在用。",
  },
  verifying: {
    step: 2, panel: "verify", busy: true, title: "正在核对数字", en: "Checking the digits", text: "请稍等几秒。",
  },
  verify_again: {
    step: 2, panel: "verify", title: "数字可能不对，请再输一次", en: "Maybe wrong digits: try again",
    text: "请照手机上现在显示的数字输入；错太多次，这个码就作废。",
  },
  write: {
    step: 3, panel: "write", busy: true, title: "绑定好了，请给机器人写个字", en: "Bound. Now write any word to the bot",
    text: "在微信里打开刚绑定的机器人，随便发一句。微信只许机器人回话，所以要你先开口。",
  },
  done: {
    step: 4, panel: "done", title: "可以用了", en: "Ready", text: "复制下面的命令，在能访问这台 BotTalk 的机器上运行。",
  },
  signed_in: {
    step: 0, panel: "done", title: "已登录", en: "Logged in", text: "这是你的 SendKey 和能直接用的命令。",
  },
  no_channel: {
    step: 0, panel: "done", title: "已登录，还没有绑定微信", en: "Logged in, no WeChat bound yet",
    text: "先按「再绑定一个微信」扫码，这一行命令才有处可送。",
  },
  expired: {
    step: 1, panel: "again", title: "二维码过期了", en: "The code has expired",
    text: "没有关系，换一个新的就好；之前的绑定不受影响。",
  },
  verify_code_blocked: {
    step: 1, panel: "again", title: "数字错了太多次", en: "Too many wrong digits",
    text: "微信作废了这个码。换一个新的，再照手机上的数字输入。",
  },
  mismatch: {
    step: 1, panel: "again", title: "这个码不属于这个浏览器", en: "The code belongs to another browser session",
    text: "可能是 Cookie 被清除或禁用了。请允许本站的 Cookie，再换一个新码。",
  },
  refused: {
    step: 1, panel: "again", title: "没有绑定成功", en: "Not bound", text: "换一个码，再试一次。",
  },
  lost: {
    step: 3, panel: "again", title: "这个通道不在了", en: "The channel is gone", text: "它可能已被删除或解绑。重新扫码即可。",
  },
  bound: {
    step: 0, panel: "again", title: "已绑定，但不能用它登录", en: "Bound, but this WeChat may not log in",
    text: "这个微信属于一个已有的账户，通道已接上；给机器人写个字，就能收消息。SendKey 请向账户的主人要。",
  },
};
