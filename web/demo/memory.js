// The frame shares its origin with the page around it. A storage of its own
// keeps the two tokens apart.
{
  const items = new Map();
  const value = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, text) => void items.set(key, String(text)),
    removeItem: (key) => void items.delete(key),
  };
  Object.defineProperty(window, "localStorage", { value });
}
