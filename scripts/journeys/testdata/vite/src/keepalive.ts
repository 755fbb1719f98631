// Vite runs this module again after each edit: start() does nothing then.
import { start, subscribe, user } from "capture-keepalive";
import { useSyncExternalStore } from "react";

start({ endpoint: `${import.meta.env.VITE_SERVER}/keepalive` });

const unknown = { signedIn: null } as const;
export const useUser = () => useSyncExternalStore(subscribe, user, () => unknown);
