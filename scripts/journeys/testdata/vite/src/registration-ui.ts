// The Registration UI, or the stand-in of `capture-keepalive dev`.
declare global {
  interface Window {
    janrain: any;
    janrainCaptureWidgetOnLoad: () => void;
  }
}

const server = import.meta.env.VITE_SERVER;

// In StrictMode React runs effects twice, and the UI is to be loaded once.
let isLoaded = false;

export function loadRegistrationUI() {
  if (isLoaded) return;
  isLoaded = true;
  window.janrain ??= {};
  window.janrain.settings ??= {};
  Object.assign((window.janrain.settings.capture ??= {}), {
    captureServer: `${server}/capture`,
    clientId: "demo-page",
  });
  window.janrainCaptureWidgetOnLoad = () => {
    const { events, capture } = window.janrain;
    const show = (screen: string) => () => capture.ui.renderScreen(screen);
    events.onCaptureSessionNotFound.addHandler(show("signIn"));
    events.onCaptureSessionEnded.addHandler(show("signIn"));
    events.onCaptureSessionFound.addHandler(show("editProfile"));
    events.onCaptureLoginSuccess.addHandler(show("editProfile"));
    capture.ui.start();
  };
  const script = document.createElement("script");
  script.src = `${server}/registration-ui.js`;
  document.head.append(script);
}
