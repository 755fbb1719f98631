// What happened before the module was there, in order. Nothing is dropped that
// may be the answer to a form, or a login; of screens that come and go only the
// last one matters.

/** @type {[name: string, payload: any, info: any][]} */
let events = [];

export function enqueue(event) {
  if (/screen|render/i.test(event[0])) events = events.filter(([name]) => name !== event[0]);
  events.push(event);
}
export const drain = () => events.splice(0);
