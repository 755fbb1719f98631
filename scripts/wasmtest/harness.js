"use strict";
// Runs a Go test binary and tells the server what happens. Everything is told
// with synchronous requests: in order, and before a crash or an endless loop
// can swallow it.
(async () => {
  const Request = XMLHttpRequest; // a test may replace the page's own
  const tell = (path, body) => {
    const request = new Request();
    request.open("POST", path, false);
    request.send(body);
  };
  const note = (text) => tell("note", text);

  addEventListener("error", (event) => note(event.message + " " + ((event.error && event.error.stack) || "")));
  addEventListener("unhandledrejection", ({ reason }) => {
    note("unhandled rejection: " + reason + " " + ((reason && reason.stack) || ""));
  });
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    note("policy violation: " + violatedDirective + " " + blockedURI);
  });

  globalThis.fs.writeSync = (fd, bytes) => {
    tell("output", bytes);
    return bytes.length;
  };
  // No files here: an absent one is what the testing package expects, say for
  // a fuzz target's corpus, where "not implemented" would be a failure.
  for (const name of ["open", "stat", "lstat", "readdir", "readlink"]) {
    globalThis.fs[name] = (...args) => {
      const error = new Error("no such file or directory");
      error.code = "ENOENT";
      args[args.length - 1](error);
    };
  }
  globalThis.process.cwd = () => "/";

  try {
    const go = new Go();
    go.argv = await (await fetch("argv.json")).json();
    go.exit = (code) => tell("exit", String(code));
    const { instance } = await WebAssembly.instantiateStreaming(fetch("test.wasm"), go.importObject);
    await go.run(instance);
  } catch (error) {
    tell("failed", String((error && error.stack) || error));
  }
})();
