// runtime.js: what comes together with the module and is of no use without it.
// Its script element brings what keepalive.js has kept of the browser, which is
// "window" in here, and takes what we offer.
import { fetchWithToken } from "./api-fetch.js";
import { checkCookie, checkPlace, checkRefusal } from "./diagnose.js";
import { hideDialog, showDialog } from "./dialog.js";
import { compile, createProgram } from "./go.js";

/** @type {any} */
const given = window;
given.receive({
  checkCookie, checkPlace, checkRefusal, compile, createProgram, fetchWithToken, hideDialog, showDialog,
});
