/** A component's part in the room of the session that its widget shows. */
import { useEffect, useReducer, useState } from "preact/hooks";
import type { Link } from "../link/link";
import { isInRoom, loadLibrary, type Room, watchRoom } from "../room/room";

/** Where the page hears nothing more of the session, it has no business in the room. */
const DEAF = new Set(["gone", "lost", "saved"]);

/** null while the session is not in its room. The component is drawn anew as the room changes. */
export function useRoom(link: Link): Room | null {
  const [room, setRoom] = useState<Room | null>(null);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const session = link.get("status");
  const shown = isInRoom(session) && !DEAF.has(link.phase) ? session : null;
  const id = shown?.id;
  const kind = shown?.room.kind;
  // What joins is fetched before there is a room, which waits for nothing then. A simulator may never have one.
  const hasRoom = session?.state === "connecting" && session.room?.kind === "livekit";
  const isExpected = link.phase === "live" && (hasRoom || !link.get("simulated"));
  useEffect(() => {
    if (isExpected) void loadLibrary(link).catch(() => undefined);
  }, [link, isExpected]);
  useEffect(() => {
    if (id === undefined || kind === undefined) return undefined;
    const { room: watched, over } = watchRoom(link, id, kind);
    const stop = watched.onChange(() => redraw(undefined));
    setRoom(watched);
    return () => {
      stop();
      over();
      setRoom(null);
    };
  }, [link, id, kind]);
  return room !== null && room.sessionId === id ? room : null;
}
