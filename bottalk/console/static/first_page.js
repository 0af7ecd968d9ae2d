// The first page: what happens is in the modules, here it is only put together.

import { wireAccount } from "./account.js";
import { leave, resume, wireBinding } from "./binding.js";
import { wireCopyButtons } from "./copy.js";
import { device, trouble } from "./view.js";

document.body.dataset.device = device;
wireCopyButtons();
wireAccount({ leave });
wireBinding();
resume();

window.addEventListener("unhandledrejection", () => trouble("这个页面出错了。请刷新再试；扫过的码不会丢。"));
