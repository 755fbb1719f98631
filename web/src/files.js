// The product's files: where they are, and how they come, each with a time
// limit. All but the manifest are checked against the integrity it states.
import {
  AbortController, Error, Promise, addListener, addressOf, append, send, clearTimer,
  createElement, currentScript, natives, nonceOf, page, quiet, remove, root, setAttribute, setLimit,
} from "./native.js";

const FILE_LIMIT = 10000; // ms, for a small file
const MODULE_LIMIT = 120000; // ms, for the module on a slow line

// Only the address of our own script counts, and only under its own name: in a
// bundle, the folder of the bundle says nothing.
const current = currentScript();
const [, ownFolder = ""] = /^(https?:[^?#]*)\/keepalive\.js(?:[?#]|$)/.exec(addressOf(current)) || [];
export const ownScript = ownFolder ? current : undefined;
const ownNonce = ownScript ? nonceOf(ownScript) : "";

let folder = ownFolder;
let nonce = ownNonce;
export const place = () => folder;
export function setPlace(endpoint, givenNonce) {
  folder = ownFolder || endpoint;
  nonce = givenNonce || ownNonce;
}

// After a failure, each request has an address of its own. A browser lets a
// second one wait for the first, which may hang, and a cache on the way, such
// as the page's service worker, may have kept the manifest of an older server.
let failed = 0;
const again = (error) => {
  failed++;
  throw error;
};
const addressIn = (from, name) => `${from}/${name}${failed ? "?" + failed : ""}`;

/** Work that is given up, with its signal aborted, when it takes too long. */
const timed = (limit, what, work) =>
  new Promise((resolve, reject) => {
    const controller = new AbortController();
    const timer = setLimit(() => {
      controller.abort();
      reject(new Error(`${what} took too long`));
    }, limit);
    const done = (settle) => (value) => {
      clearTimer(timer);
      settle(value);
    };
    work(controller.signal).then(done(resolve), done(reject));
  });

const get = async (address, init) => {
  const response = await send(address, init);
  if (response.ok) return response;
  const error = new Error(`${address} answered ${response.status}`);
  error.missing = response.status === 404;
  throw error;
};

const readManifest = (from) =>
  timed(FILE_LIMIT, from, async (signal) => {
    try {
      const manifest = await (await get(addressIn(from, "manifest.json"), { cache: "no-cache", signal })).json();
      // An app's own manifest.json has another shape.
      if (quiet(() => manifest.module.file)) return manifest;
    } catch (error) {
      if (!error.missing && !(error.name === "SyntaxError")) throw error;
    }
    const error = new Error(`The files of capture-keepalive are not in ${from}. Set endpoint to where the server is.`);
    error.warning = "files-not-found";
    throw error;
  });

/** The manifest, of the folder of our script or else of the endpoint. */
export async function fetchManifest(endpoint) {
  try {
    return await readManifest(folder);
  } catch (error) {
    if (!error.warning || folder === endpoint) throw error;
  }
  const manifest = await readManifest(endpoint);
  folder = endpoint;
  return manifest;
}

/** Has the module fetched, and compiled by what runtime.js brings. */
export const fetchModule = (manifest, runtime) =>
  timed(MODULE_LIMIT, manifest.module.file, async (signal) => {
    const { file, integrity } = manifest.module;
    const response = await get(`${folder}/${file}`, { integrity, signal });
    return (await runtime).compile(response);
  }).then(null, again);

let policy;
/** An address of ours as a TrustedScriptURL, where the page asks for such. */
function trusted(address) {
  const rules = { __proto__: null, createScriptURL: (text) => text };
  policy ||= quiet(() => page.trustedTypes.createPolicy("capture-keepalive", rules));
  return policy ? policy.createScriptURL(address) : address;
}

/** Runs a script of ours and returns what it has for us. */
export const include = (manifest, name) =>
  timed(FILE_LIMIT, name, () =>
    new Promise((resolve, reject) => {
      const address = addressIn(folder, name);
      const script = createElement("script");
      const end = (message) => () => {
        remove(script);
        reject(new Error(`${address} ${message}`)); // nothing, where it was received
      };
      script.captureKeepalive = { __proto__: null, ...natives, receive: resolve };
      addListener(script, "load", end("is not of this version"));
      addListener(script, "error", end("did not load"));
      // Not by its properties, which blockers of scripts replace.
      setAttribute(script, "integrity", manifest.files[name].integrity);
      setAttribute(script, "crossorigin", "anonymous");
      setAttribute(script, "nonce", nonce);
      setAttribute(script, "src", trusted(address));
      append(root(), script);
    }),
  ).then(null, again);
