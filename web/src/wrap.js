// How the stub and the loader stand between an event of the Registration UI
// and the page's handlers of it.

/**
 * Replaces addHandler and removeHandler of an event. Each handler that is
 * added gets a wrapper, which gives what is to be called to hold(). A handler
 * that is removed meanwhile is not called any more. A handler has one wrapper,
 * so that the UI finds it, and treats it when it is added twice, as ever.
 */
export const wrapEvent = (event, hold) => {
  const { addHandler, removeHandler } = event;
  const added = [];
  const find = (fn) => added.filter((each) => each.fn === fn)[0];
  event.addHandler = (fn) => {
    if (!fn?.apply) return addHandler.call(event, fn);
    const wrapper = find(fn) || function (...args) {
      return hold(() => added.indexOf(wrapper) >= 0 && fn.apply(this, args));
    };
    wrapper.fn = fn;
    added.push(wrapper);
    return addHandler.call(event, wrapper);
  };
  event.removeHandler = (fn) => {
    const wrapper = find(fn) || fn;
    const at = added.indexOf(wrapper);
    if (at >= 0) added.splice(at, 1);
    return removeHandler?.call(event, wrapper);
  };
};
