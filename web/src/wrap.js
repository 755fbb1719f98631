// How the stub and the loader stand between an event of the Registration UI
// and the page's handlers of it.

/**
 * Replaces addHandler and removeHandler of an event. Each handler that is
 * added gets a wrapper of its own, which gives what is to be called to hold().
 * A handler that is removed meanwhile is not called any more.
 */
export const wrapEvent = (event, hold) => {
  const { addHandler, removeHandler } = event;
  /** @type {any[]} */
  let added = [];
  event.addHandler = (fn) => {
    if (!fn?.apply) return addHandler.call(event, fn);
    const wrapper = function (...args) {
      return hold(() => added.includes(wrapper) && fn.apply(this, args));
    };
    wrapper.fn = fn;
    added.push(wrapper);
    return addHandler.call(event, wrapper);
  };
  event.removeHandler = (fn) => {
    const wrapper = added.find((each) => each.fn === fn) || fn;
    added = added.filter((each) => each !== wrapper);
    return removeHandler?.call(event, wrapper);
  };
};
