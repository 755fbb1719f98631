// How the stub and the loader stand between an event of the Registration UI
// and the page's handlers of it.

const Wrappers = WeakMap; // as it is now

/**
 * Replaces addHandler and removeHandler of an event. Each handler that is
 * added gets a wrapper, which gives what is to be called to hold(). A handler
 * that is removed meanwhile is not called any more. A handler has one wrapper,
 * so that the UI finds it, and treats it when it is added twice, as ever.
 */
export const wrapEvent = (event, hold) => {
  const { addHandler, removeHandler } = event;
  const wrappers = new Wrappers();
  event.addHandler = (fn) => {
    if (!fn?.apply) return addHandler.call(event, fn);
    const wrapper = wrappers.get(fn) || function (...args) {
      const { removed } = wrapper;
      return hold(() => wrapper.removed === removed && fn.apply(this, args));
    };
    wrappers.set(fn, wrapper);
    return addHandler.call(event, wrapper);
  };
  event.removeHandler = (fn) => {
    const wrapper = wrappers.get(fn);
    if (wrapper) wrapper.removed = {};
    return removeHandler?.call(event, wrapper || fn);
  };
};
