// Shows the ready-made dialog, and takes it away again.
import { setTimer } from "./native.js";

const WAIT = 5000; // ms until a dialog that did not come is asked for again

/** @type {{start: (api: object) => void, stop: () => void} | undefined} */
let dialog;
let coming = false;
/** @type {object | undefined} the public API, while a dialog is wanted */
let wanted;

/** @param {() => Promise<any>} bring fetches dialog.js */
export function showDialog(bring, api) {
  wanted = api;
  if (dialog) dialog.start(api);
  if (dialog || coming) return;
  coming = true;
  const again = () => {
    coming = false;
    if (wanted) showDialog(bring, wanted);
  };
  bring().then((found) => {
    dialog = found;
    again();
  }, () => void setTimer(again, WAIT));
}

export function hideDialog() {
  wanted = undefined;
  if (dialog) dialog.stop();
}
