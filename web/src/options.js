// The options: their defaults, what they may be, and how a data attribute of
// the script spells them.
import {
  TypeError, attribute, attributeNames, first, has, hasOwn, isArray, isObject, keys, location, natives,
  quiet, startsWith,
} from "./native.js";

const { URL } = natives;

const asItIs = (text) => text;
const boolean = (fallback) => ({
  fallback,
  valid: (value) => value === true || value === false,
  what: "true or false",
  read: (text) => (text === "" || text === "true" ? true : text === "false" ? false : text),
});
const seconds = {
  fallback: 0,
  valid: (value) => typeof value === "number" && value >= 0 && value <= 86400,
  what: "seconds, 0 to 86400",
  read: (text) => (/^\d+(\.\d+)?$/.test(text) ? +text : text),
};
/** The first is the default. */
const oneOf = (...values) => ({
  fallback: values[0],
  valid: (value) => has(values, value),
  what: `"${values.join('" or "')}"`,
  read: asItIs,
});
const origins = {
  fallback: [],
  // As a browser spells it: one in another spelling would never be matched.
  valid: (value) => isArray(value) && value.every((each) => quiet(() => new URL(each).origin) === each),
  what: 'a list of origins, such as "https://api.example.com"',
  read: (text) => text.split(/[\s,]+/).filter(Boolean),
};
const address = {
  fallback: "/keepalive",
  valid: (value) => quiet(() => resolve(value)),
  what: "a path or a URL, without a query",
  read: asItIs,
};
const string = { fallback: "", valid: (value) => typeof value === "string", what: "a string", read: asItIs };

const OPTIONS = {
  __proto__: null,
  endpoint: address,
  margin: seconds,
  load: oneOf("idle", "now"),
  clientSession: oneOf("always", "onDemand"),
  apiOrigins: origins,
  hold: boolean(true),
  guard: boolean(true),
  resubmit: boolean(true),
  idleWarning: seconds,
  dialog: boolean(false),
  debug: boolean(false),
  nonce: string,
};

/**
 * The address of an endpoint, without a slash at its end; "" if it is none, or
 * an error. A <base> of the page has no say in it.
 */
export function resolve(endpoint) {
  if (typeof endpoint !== "string" || !/^[^\s?#\\]+$/.test(endpoint)) return "";
  const { href, origin, pathname } = new URL(endpoint, location.href);
  // A name and a password would be lost; ftp and blob have an origin, too.
  return startsWith(href, origin) && /^http/.test(origin) ? origin + pathname.replace(/\/+$/, "") : "";
}

/** @throws TypeError, always. */
export const wrong = (name, what) => {
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
    const name = first(keys(OPTIONS), (each) => plain === "data" + each.toLowerCase());
    if (name) given[name] = OPTIONS[name].read(attribute(script, spelled));
  }
  return given;
}
