/** Sentences and numbers for people to read. Pure. */
import type { Avatar, HearingWay, Mode, Session, Settings, Utterance } from "./contract";
import { CREDITS_PER_MINUTE, SANDBOX_SECONDS } from "./limits";

/** 134 -> "2:14". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** 242 -> "4 min 02 s", 9 -> "9 s". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** A limit: 600 -> "10 minutes", 90 -> "1 min 30 s". */
export function limit(seconds: number): string {
  return seconds >= 60 && seconds % 60 === 0 ? plural(seconds / 60, "minute") : duration(seconds);
}

/** Without trailing zeros: 4.10 -> "4.1", 2 -> "2". */
export function amount(credits: number): string {
  return credits.toFixed(2).replace(/\.?0+$/, "");
}

export function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

const STATUS: Record<string, string> = {
  INIT: "not ready yet",
  DEPLOYING: "training",
  FAILED: "failed",
};

export function isPickable(avatar: Avatar): boolean {
  return avatar.status === "ACTIVE" && !avatar.is_expired;
}

/** Why an avatar cannot be picked; empty if it can. */
export function whyNot(avatar: Avatar): string {
  if (avatar.is_expired) return "expired";
  if (avatar.status === "ACTIVE") return "";
  return STATUS[avatar.status] ?? avatar.status.toLowerCase();
}

/** "2 credits a minute". */
export function rate(mode: Mode): string {
  return `${creditWords(CREDITS_PER_MINUTE[mode])} a minute`;
}

/** How long a sandbox session lasts: "one minute". */
export const sandboxLife = limit(SANDBOX_SECONDS).replace(/^1 /, "one ");

/** "1 credit a minute, 10 minutes at most"; a sandbox: "free, one minute". */
export function price(settings: Settings): string {
  if (settings.is_sandbox) return `free, ${sandboxLife}`;
  return `${rate(settings.mode)}, ${plural(settings.max_minutes, "minute")} at most`;
}

/** What happens to a session whose page is closed; empty if that is noticed at once, or costs nothing. */
export function closingWords(hearing: HearingWay, settings: Settings): string {
  const longest = plural(settings.max_minutes, "minute");
  if (settings.is_sandbox) return "";
  if (hearing === "held_up") {
    return `While a cell runs, a closed page isn't noticed until the cell ends, or the session does after ${longest}.`;
  }
  if (hearing === "unknown") return `Closing the page doesn't stop the session here: press Stop, or it ends after ${longest}.`;
  return "";
}

export function modeWords(mode: Mode): string {
  return mode === "FULL" ? "conversation (FULL)" : "your own audio (LITE)";
}

/** "Conversation (FULL), 2 credits a minute, 10 minutes at most". */
export function offer(settings: Settings): string {
  const words = `${modeWords(settings.mode)}, ${price(settings)}`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Lower case without accents, so that "jose" finds "José". */
export function fold(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();
}

/** A time of day in the page's time zone: "14:32:10". */
export function timeOfDay(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toLocaleTimeString("en-GB");
}

export interface Ended {
  title: string;
  detail: string;
  calm: boolean;
}

/** The note for a session that is over; `isExplained`: the reason for its failure is shown beside it. */
export function ended(session: Session, isExplained = false): Ended {
  const failed = session.state === "failed";
  const reason = session.end_words ? `: ${session.end_words}` : "";
  const title = failed
    ? isExplained
      ? "The session failed."
      : `The session failed${reason || " before the avatar was there"}.`
    : `Ended after ${duration(session.elapsed)}${reason}.`;
  const used = session.credits_used === null ? [] : [`${creditWords(session.credits_used)} used.`];
  const proof = session.confirmed
    ? "Nothing is running, the service confirmed it."
    : "The service has not confirmed yet that nothing is running.";
  return { title, detail: [...used, proof].join(" "), calm: session.confirmed && !failed };
}

export function creditWords(credits: number): string {
  return `${amount(credits)} credit${credits === 1 ? "" : "s"}`;
}

/** Whether an utterance is being spoken, or waiting. */
export function isActive(utterance: Utterance): boolean {
  return utterance.state === "queued" || utterance.state === "sending" || utterance.state === "talking";
}

/** 52428800 -> "50 MB", 1500000 -> "1.4 MB", 300000 -> "293 kB". */
export function megabytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 2 ** 20) return `${Math.round(bytes / 1024)} kB`;
  const mega = bytes / 2 ** 20;
  return `${mega < 10 ? mega.toFixed(1).replace(/\.0$/, "") : Math.round(mega)} MB`;
}

/** 12.4 -> "12 ms", 1234 -> "1.23 s". */
export function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms > 0 && ms < 1 ? "<1 ms" : `${Math.round(ms)} ms`;
}

/** 83.4567 -> "1:23.457". */
export function offset(seconds: number): string {
  const thousandths = Math.round(seconds * 1000);
  const minutes = Math.floor(thousandths / 60_000);
  return `${minutes}:${((thousandths % 60_000) / 1000).toFixed(3).padStart(6, "0")}`;
}
