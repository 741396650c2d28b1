/**
 * The way into a new session's room, which Python tells by itself who shows the session from its start: a round trip
 * less. It comes with the news of the session, before anything here could have asked.
 */
import type { RoomAnswer } from "../contract";
import { registry } from "../shared";

/** Python expects a page that it told the way in for 5 s. */
const FRESH_MS = 3000;

export function keepOffer(answer: RoomAnswer): void {
  if (answer.url !== null) registry().offer = { answer, at: performance.now() };
}

export function takeOffer(sessionId: string): RoomAnswer | null {
  const shared = registry();
  const { offer } = shared;
  if (offer?.answer.session_id !== sessionId) return null;
  shared.offer = null;
  return performance.now() - offer.at < FRESH_MS ? offer.answer : null;
}
