/** A row of the settings: a name, a short explanation, and the control. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useId } from "./hooks";

/** Typed text is sent to Python after this pause, in milliseconds, and when the field loses the focus. */
const STILL_MS = 400;

interface RowProps {
  label: ComponentChildren;
  hint: ComponentChildren;
  children: ComponentChildren;
}

export function Row({ label, hint, children }: RowProps) {
  return (
    <div class="lv-row">
      <div>
        {label}
        {hint ? <div class="lv-help">{hint}</div> : null}
      </div>
      {children}
    </div>
  );
}

interface PickProps<Value extends string> {
  label: string;
  hint: ComponentChildren;
  value: Value;
  options: Record<Value, string>;
  disabled: boolean;
  onChange: (value: Value) => void;
}

export function Pick<Value extends string>({ label, hint, value, options, disabled, onChange }: PickProps<Value>) {
  const id = useId();
  const known: Record<string, string> = value in options ? options : { ...options, [value]: value };
  return (
    <Row label={<label for={id}>{label}</label>} hint={hint}>
      <select id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value as Value)}>
        {Object.entries(known).map(([name, words]) => (
          <option key={name} value={name} selected={name === value}>
            {words}
          </option>
        ))}
      </select>
    </Row>
  );
}

interface TypedProps {
  label: string;
  value: string;
  longest: number;
  disabled: boolean;
  invalid?: boolean;
  placeholder?: string;
  onCommit: (value: string) => void;
}

/** A text field that keeps what the user types, whatever Python sends meanwhile. */
export function Typed({ label, value, longest, disabled, invalid, placeholder, onCommit }: TypedProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const latest = useRef({ typed, value, onCommit });
  latest.current = { typed, value, onCommit };
  const commit = (): void => {
    const { typed: text, value: known, onCommit: send } = latest.current;
    if (text !== null && text !== known) send(text);
  };
  useEffect(() => {
    const timer = setTimeout(commit, STILL_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => commit, []);
  return (
    <label class="lv-typed">
      <span>{label}</span>
      <input
        type="text"
        value={typed ?? value}
        maxLength={longest}
        placeholder={placeholder}
        disabled={disabled}
        aria-invalid={invalid ? true : undefined}
        autocomplete="off"
        onInput={(event) => setTyped(event.currentTarget.value)}
        onBlur={() => {
          commit();
          setTyped(null);
        }}
      />
    </label>
  );
}
