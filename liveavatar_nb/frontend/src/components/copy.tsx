/** A button that copies a text, or shows it if the host does not allow copying. */
import { Check, Copy } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { copyText } from "./clipboard";

/** How long "Copied" is shown, in milliseconds. */
const COPIED_MS = 2000;

interface Copying {
  text: string;
  state: "no" | "yes" | "by hand";
  /** Whether the text is shown. */
  isShown: boolean;
  start: () => void;
  show: (isShown: boolean) => void;
}

export function useCopy(text: string): Copying {
  const [state, setState] = useState<Copying["state"]>("no");
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (state !== "yes") return undefined;
    const timer = setTimeout(() => setState("no"), COPIED_MS);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(() => setState("no"), [text]);
  const start = async (): Promise<void> => {
    const isDone = await copyText(text);
    setState(isDone ? "yes" : "by hand");
    if (!isDone) setShown(true);
  };
  return { text, state, isShown, start: () => void start(), show: setShown };
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

export function ShowButton({ copy }: { copy: Copying }) {
  return (
    <button type="button" class="lv-link" aria-expanded={copy.isShown} onClick={() => copy.show(!copy.isShown)}>
      {copy.isShown ? "Hide code" : "Show code"}
    </button>
  );
}

export function Copied({ copy }: { copy: Copying }) {
  const code = useRef<HTMLPreElement>(null);
  const isByHand = copy.state === "by hand";
  useEffect(() => {
    if (isByHand && code.current) getSelection()?.selectAllChildren(code.current);
  }, [isByHand]);
  return copy.isShown ? (
    <pre ref={code} class="lv-code" tabIndex={0} aria-label={isByHand ? "Code to copy by hand" : "Code"}>
      {copy.text}
    </pre>
  ) : null;
}
