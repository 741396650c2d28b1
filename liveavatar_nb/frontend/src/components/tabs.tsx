/** Tabs of the side panel. A click stays in force until a task begins that has a tab of its own. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useId } from "./hooks";

interface Tab {
  name: string;
  body: ComponentChildren;
}

interface Props {
  label: string;
  tabs: readonly Tab[];
  /** The tab to open automatically when this changes, unless the user chose one in the same `chapter`. */
  wanted: number;
  /** The current task; a tab chosen before it began no longer prevents automatic changes. */
  chapter: number;
  /** A tab requested elsewhere on the page: it opens as if clicked whenever this is a new object. */
  asked?: { tab: number } | undefined;
}

export function Tabs({ label, tabs, wanted, chapter, asked }: Props) {
  const [open, setOpen] = useState(wanted);
  const chosenIn = useRef<number | null>(null);
  useLayoutEffect(() => {
    if (chosenIn.current !== chapter) setOpen(wanted);
  }, [wanted]);
  const choose = (index: number): void => {
    chosenIn.current = chapter;
    setOpen(index);
  };
  const bar = useRef<HTMLDivElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    if (!asked) return;
    choose(asked.tab);
    bar.current?.querySelectorAll("button")[asked.tab]?.focus();
  }, [asked]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = { ArrowRight: open + 1, ArrowLeft: open - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    const next = (to + tabs.length) % tabs.length;
    choose(next);
    bar.current?.querySelectorAll("button")[next]?.focus();
    event.preventDefault();
  };
  return (
    <div class="lv-side">
      <div ref={bar} class="lv-tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map(({ name }, index) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`${id}-tab-${index}`}
            aria-selected={index === open}
            aria-controls={`${id}-panel`}
            tabIndex={index === open ? 0 : -1}
            onClick={() => choose(index)}
          >
            {name}
          </button>
        ))}
      </div>
      <div class="lv-tab-body" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${open}`}>
        {tabs[open]?.body}
      </div>
    </div>
  );
}
