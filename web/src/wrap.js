// How the stub and the loader stand between an event of the Registration UI
// and the page's handlers of it.

/**
 * Replaces addHandler and removeHandler of an event. Each handler that is
 * added gets a wrapper of its own, which gives what is to be called to hold().
 * A handler that is removed meanwhile is not called any more.
 */
export const wrapEvent = (event, hold) => {
  const { addHandler: add, removeHandler: remove } = event;
  let added = [];
  event.removeHandler = function (fn, ...rest) {
    const entry = added.find((each) => each[0] === fn) || [0, fn];
    added = added.filter((each) => each !== entry);
    return remove && remove.call(this, entry[1], ...rest);
  };
  event.addHandler = function (fn, ...rest) {
    const entry = [fn, (...args) => hold(() => added.includes(entry) && fn.apply(this, args))];
    added.push(entry);
    return add.call(this, fn && fn.call ? entry[1] : fn, ...rest);
  };
  return add;
};
