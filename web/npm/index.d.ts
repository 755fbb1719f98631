import type { CaptureKeepalive } from "./keepalive.js";

export type * from "./keepalive.js";

declare const captureKeepalive: CaptureKeepalive;
export default captureKeepalive;

export declare const start: CaptureKeepalive["start"];
export declare const stop: CaptureKeepalive["stop"];
export declare const on: CaptureKeepalive["on"];
export declare const subscribe: CaptureKeepalive["subscribe"];
export declare const user: CaptureKeepalive["user"];
export declare const ready: CaptureKeepalive["ready"];
export declare const token: CaptureKeepalive["token"];
export declare const renew: CaptureKeepalive["renew"];
export declare const fetch: CaptureKeepalive["fetch"];
export declare const stay: CaptureKeepalive["stay"];
export declare const end: CaptureKeepalive["end"];
export declare const status: CaptureKeepalive["status"];
export declare const diagnostics: CaptureKeepalive["diagnostics"];
export declare const report: CaptureKeepalive["report"];
