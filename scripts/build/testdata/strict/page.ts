// What pages do in TypeScript, right and wrong.
import type { CaptureKeepalive, Reason } from "../../../../web/keepalive.js";

declare const page: CaptureKeepalive;
declare const fromBuild: { nonce?: string; server: string | undefined; dialog: boolean | undefined };

// A variable of the build may not be set.
page.start({ nonce: fromBuild.nonce, endpoint: fromBuild.server, dialog: fromBuild.dialog });
page.start({ apiOrigins: ["https://api.example.com"] as const });
page.on("ended", ({ reason }) => location.assign("/login?why=" + (reason satisfies Reason)));
page.on("renewerror", ({ retryIn = 0 }) => retryIn.toFixed());

// @ts-expect-error A page without the stub may lack it.
window.captureKeepalive.stop();
// @ts-expect-error Misspelt.
page.start({ endPoint: "/keepalive" });
// @ts-expect-error As a data attribute has it.
page.start({ idleWarning: "60" });
// @ts-expect-error The event is "ended".
page.on("end", () => {});
