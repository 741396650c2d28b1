/** A button that opens a small dialog above or below it. The browser closes it on Escape and on clicks elsewhere. */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** In pixels: the distances from the button and from the window's edges, and the dialog's width. */
const OFF_BUTTON = 6;
const OFF_EDGE = 8;
const WIDTH = 300;
/** If there is this much room below, the dialog opens there and the picture above stays visible. */
const ENOUGH = 330;

interface Props {
  label: string;
  icon: ComponentChildren;
  /** Whether something in the dialog is switched on. */
  isOn?: boolean;
  disabled?: boolean;
  children: (close: () => void) => ComponentChildren;
  onOpen?: (() => void) | undefined;
}

export function Menu({ label, icon, isOn = false, disabled = false, children, onOpen }: Props) {
  const button = useRef<HTMLButtonElement>(null);
  const dialog = useRef<HTMLDivElement>(null);
  const [isOpen, setOpen] = useState(false);
  // before it can be clicked
  useLayoutEffect(() => {
    // by elements, not by ids, because ids start over in each widget
    if (button.current) button.current.popoverTargetElement = dialog.current;
  }, []);
  useEffect(() => {
    if (!isOpen) return undefined;
    const place = (): void => {
      if (button.current && dialog.current) put(dialog.current, button.current.getBoundingClientRect());
    };
    place();
    window.addEventListener("scroll", place, { capture: true, passive: true });
    window.addEventListener("resize", place);
    return () => {
      window.removeEventListener("scroll", place, { capture: true });
      window.removeEventListener("resize", place);
    };
  }, [isOpen]);
  const close = (): void => dialog.current?.hidePopover();
  return (
    <>
      <button
        ref={button}
        type="button"
        class={`lv-tool${isOn ? " lv-tool-on" : ""}`}
        title={label}
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        disabled={disabled}
      >
        {icon}
      </button>
      <div
        ref={dialog}
        popover="auto"
        role="dialog"
        aria-label={label}
        class="lv-menu"
        onBeforeToggle={(event) => {
          if (event.newState !== "open" || !button.current) return;
          put(event.currentTarget, button.current.getBoundingClientRect());
          onOpen?.();
        }}
        onToggle={(event) => setOpen(event.newState === "open")}
      >
        {isOpen ? children(close) : null}
      </div>
    </>
  );
}

/** Places the dialog below the button, or where there is more room. */
function put(dialog: HTMLElement, button: DOMRect): void {
  const width = Math.min(WIDTH, innerWidth - 2 * OFF_EDGE);
  const left = Math.max(OFF_EDGE, Math.min(button.right - width, innerWidth - width - OFF_EDGE));
  const below = innerHeight - button.bottom - OFF_BUTTON - OFF_EDGE;
  const above = button.top - OFF_BUTTON - OFF_EDGE;
  const isAbove = below < ENOUGH && above > below;
  Object.assign(dialog.style, {
    left: `${left}px`,
    width: `${width}px`,
    maxHeight: `${isAbove ? above : below}px`,
    top: isAbove ? "auto" : `${button.bottom + OFF_BUTTON}px`,
    bottom: isAbove ? `${innerHeight - button.top + OFF_BUTTON}px` : "auto",
  });
}
