// fetch() with the token, for the origins that may have it.
import { has, natives, nothing, send } from "./native.js";

const { Request, URL } = natives;

/**
 * Adds the token, and asks once more with a new one where the answer is 401.
 * A request that has an Authorization of its own keeps it.
 *
 * @param {string[]} origins that may have the token
 * @param {(fresh: boolean) => Promise<string>} want
 */
export async function fetchWithToken(origins, want, input, init) {
  const request = new Request(input, init);
  if (!has(origins, new URL(request.url).origin) || request.headers.has("Authorization")) return send(request);
  const again = request.clone();
  const sendWith = (token, each) => {
    if (token) each.headers.set("Authorization", "Bearer " + token);
    return send(each);
  };
  const token = await want(false).then(null, nothing);
  const response = await sendWith(token, request);
  if (!token || response.status !== 401) return response;
  const renewed = await want(true).then(null, nothing);
  return renewed ? sendWith(renewed, again) : response;
}
