// What the build provides: see scripts/build/scripts.go.
declare const VERSION: string;
declare module "wasm_exec.js" {
  export const wasmExec: (globals: object) => void;
}
declare function require(path: "./install.js"): typeof import("./install.js");
declare module "*.css" {
  const minified: string;
  export default minified;
}
