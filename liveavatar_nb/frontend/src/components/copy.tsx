/** Copies a text by a click, and shows it where the host does not let a page copy. */
import { Check, Copy } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { copyText } from "./clipboard";

/** How long "Copied" is shown, in milliseconds. */
const COPIED_MS = 2000;

interface Copying {
  text: string;
  state: "no" | "yes" | "by hand";
  start: () => void;
}

export function useCopy(text: string): Copying {
  const [state, setState] = useState<Copying["state"]>("no");
  useEffect(() => {
    if (state !== "yes") return undefined;
    const timer = setTimeout(() => setState("no"), COPIED_MS);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(() => setState("no"), [text]);
  return { text, state, start: () => void copyText(text).then((done) => setState(done ? "yes" : "by hand")) };
}

export function CopyButton({ copy, label, title }: { copy: Copying; label: string; title?: string }) {
  const Icon = copy.state === "yes" ? Check : Copy;
  return (
    <button type="button" class="lv-link" title={title} onClick={copy.start}>
      <Icon size={14} aria-hidden="true" />
      <span aria-live="polite">{copy.state === "yes" ? "Copied" : label}</span>
    </button>
  );
}

export function CopyByHand({ copy }: { copy: Copying }) {
  const code = useRef<HTMLPreElement>(null);
  const isShown = copy.state === "by hand";
  useEffect(() => {
    if (isShown && code.current) getSelection()?.selectAllChildren(code.current);
  }, [isShown]);
  return isShown ? (
    <pre ref={code} class="lv-code" tabIndex={0} aria-label="Code to copy by hand">
      {copy.text}
    </pre>
  ) : null;
}
