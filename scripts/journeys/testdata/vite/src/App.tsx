import { useEffect } from "react";
import { useUser } from "./keepalive";
import { loadRegistrationUI } from "./registration-ui";

export function App() {
  const { signedIn } = useUser();
  useEffect(loadRegistrationUI, []);
  return (
    <main>
      <h1>First title</h1>
      <p id="who">{signedIn === null ? "Not known yet" : signedIn ? "Signed in" : "Signed out"}</p>
      <div id="signIn" hidden />
      <div id="editProfile" hidden />
      <a className="capture_end_session" href="#">
        Sign out
      </a>
    </main>
  );
}
