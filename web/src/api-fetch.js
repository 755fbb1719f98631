// fetch() with the token.
import { send } from "./native.js";

/**
 * Adds the token, and asks once more with a new one where the answer is 401.
 *
 * @param {Request} request that may have the token
 * @param {string} token
 * @param {(fresh: boolean) => Promise<string | undefined>} ask
 */
export async function fetchWithToken(request, token, ask) {
  const again = request.clone();
  const sendWith = (given, each) => {
    each.headers.set("Authorization", "Bearer " + given);
    return send(each);
  };
  const response = await sendWith(token, request);
  const renewed = response.status === 401 && (await ask(true));
  return renewed ? sendWith(renewed, again) : response;
}
