// Copy buttons: `data-copy` names the element whose text they copy.

import { byId } from "./view.js";

const SAID_MS = 2_000;

export function wireCopyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const words = button.firstChild;
    const usual = words.textContent;
    let timer;
    button.addEventListener("click", async () => {
      const done = await copy(byId(button.dataset.copy));
      words.textContent = done ? "已复制" : "已选中";
      clearTimeout(timer);
      timer = setTimeout(() => (words.textContent = usual), SAID_MS);
    });
  }
}

async function copy(element) {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch {
      // not allowed here; the older way may be
    }
  }
  // over plain http (a machine of the home network) there is no clipboard object
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  const done = document.execCommand("copy");
  if (done) selection.removeAllRanges(); // else it stays selected, ready for the person's own copy
  return done;
}
