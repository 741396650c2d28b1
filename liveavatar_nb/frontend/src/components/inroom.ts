/** Hooks for a component that uses the room of the session its widget shows. */
import { useEffect, useReducer, useState } from "preact/hooks";
import type { Link } from "../link/link";
import { isInRoom, loadLibrary, type Room, watchRoom } from "../room/room";

/** A page that gets no more news of the session must not stay in the room. */
const DEAF = new Set(["gone", "lost", "saved"]);

/** Returns null while the session has no room. Redraws the component when the room changes. */
export function useRoom(link: Link): Room | null {
  const [room, setRoom] = useState<Room | null>(null);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const session = link.get("status");
  const shown = isInRoom(session) && !DEAF.has(link.phase) ? session : null;
  const id = shown?.id;
  const kind = shown?.room.kind;
  // fetch the library before there is a room, to save time then; a simulator may never have one
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
