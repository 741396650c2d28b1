/** A choice of a few options, as native radio buttons: keyboard and screen readers work without our help. */
import { useId } from "./hooks";

export interface Option<T extends string> {
  value: T;
  label: string;
  /** The reason if it cannot be chosen. */
  blocked?: string;
}

interface Props<T extends string> {
  label: string;
  options: readonly Option<T>[];
  value: T;
  disabled?: boolean;
  onChange: (value: T) => void;
}

export function Choice<T extends string>({ label, options, value, disabled = false, onChange }: Props<T>) {
  const name = useId();
  return (
    <div class="lv-choice" role="radiogroup" aria-label={label}>
      {options.map((option) => (
        <label key={option.value} title={option.blocked}>
          <input
            type="radio"
            name={name}
            checked={option.value === value}
            disabled={disabled || option.blocked !== undefined}
            aria-label={option.blocked ? `${option.label}: ${option.blocked}` : undefined}
            onChange={() => onChange(option.value)}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  );
}
