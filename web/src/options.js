// The options: their defaults, what they may be, and how a data attribute of
// the script spells them.
import { TypeError, attribute, attributeNames, hasOwn, isArray, isObject, keys, location } from "./native.js";

const boolean = {
  valid: (value) => value === true || value === false,
  what: "true or false",
  read: (text) => (text === "" || text === "true" ? true : text === "false" ? false : text),
};
const seconds = {
  valid: (value) => typeof value === "number" && value >= 0 && value <= 86400,
  what: "seconds, 0 to 86400",
  read: (text) => (/^\d+(\.\d+)?$/.test(text) ? +text : text),
};
const oneOf = (...values) => ({
  valid: (value) => values.includes(value),
  what: `"${values.join('" or "')}"`,
  read: (text) => text,
});
const ORIGIN = /^https?:\/\/([^\s/?#@:[\]\\]+|\[[\da-f:.]+\])(:\d+)?$/;
const origins = {
  valid: (value) => isArray(value) && value.every((each) => typeof each === "string" && ORIGIN.test(each)),
  what: 'a list of origins, such as "https://api.example.com"',
  read: (text) => text.split(/[\s,]+/).filter(Boolean),
};
const address = { valid: (value) => !!resolve(value), what: "a path or a URL, without a query", read: (text) => text };
const nonce = { valid: (value) => typeof value === "string", what: "a string", read: (text) => text };

const OPTIONS = {
  __proto__: null,
  endpoint: { fallback: "/keepalive", ...address },
  margin: { fallback: 0, ...seconds },
  load: { fallback: "idle", ...oneOf("idle", "now") },
  clientSession: { fallback: "always", ...oneOf("always", "onDemand") },
  apiOrigins: { fallback: [], ...origins },
  hold: { fallback: true, ...boolean },
  guard: { fallback: true, ...boolean },
  resubmit: { fallback: true, ...boolean },
  idleWarning: { fallback: 0, ...seconds },
  dialog: { fallback: false, ...boolean },
  debug: { fallback: false, ...boolean },
  nonce: { fallback: "", ...nonce },
};

/**
 * The address of an endpoint, without a slash at its end; "" if it is none. A
 * <base> of the page has no say in it.
 */
export function resolve(endpoint) {
  if (typeof endpoint !== "string" || !/^[^\s?#\\]+$/.test(endpoint)) return "";
  const { origin, protocol, pathname } = location;
  const folder = endpoint[0] === "/" ? "" : pathname.replace(/[^/]*$/, "");
  let absolute = origin + folder + endpoint;
  if (/^\w+:/.test(endpoint)) absolute = endpoint;
  else if (endpoint.startsWith("//")) absolute = protocol + endpoint;
  const [, host, path] = /^(https?:\/\/[^/]+)(.*)$/i.exec(absolute) || [];
  return host && ORIGIN.test(host.toLowerCase()) ? host.toLowerCase() + path.replace(/\/+$/, "") : "";
}

const wrong = (name, what) => {
  throw new TypeError(`captureKeepalive: "${name}" must be ${what}`);
};

/** @param {any} given @throws TypeError that names the option that is wrong. */
export function checkOptions(given) {
  const checked = { __proto__: null };
  if (!isObject(given)) wrong("options", "an object");
  for (const name of keys(given)) {
    if (!OPTIONS[name]) wrong(name, "one of " + keys(OPTIONS).join(", "));
  }
  for (const name of keys(OPTIONS)) {
    const { fallback, valid, what } = OPTIONS[name];
    checked[name] = hasOwn(given, name) && given[name] !== undefined ? given[name] : fallback;
    if (!valid(checked[name])) wrong(name, what);
  }
  checked.endpoint = resolve(checked.endpoint);
  checked.apiOrigins = checked.apiOrigins.slice();
  return checked;
}

/**
 * The options that the data attributes of our own script spell: idleWarning is
 * data-idle-warning. Where the dashes are does not matter.
 */
export function readAttributes(script) {
  const given = { __proto__: null };
  for (const spelled of attributeNames(script)) {
    const plain = spelled.replace(/-/g, "");
    const name = keys(OPTIONS).find((each) => plain === "data" + each.toLowerCase());
    if (name) given[name] = OPTIONS[name].read(attribute(script, spelled));
  }
  return given;
}
