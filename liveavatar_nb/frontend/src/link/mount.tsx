/** From a component to what anywidget loads: { initialize, render }. */
import type { AnyModel, Initialize, Render } from "@anywidget/types";
import { type ComponentType, render as renderInto } from "preact";
import { useLayoutEffect, useReducer } from "preact/hooks";
import type { TraitName } from "../contract";
import { Link } from "./link";

/** Views of one model share its link, and with it pictures, clicks under way and what is known of the kernel. */
const links = new Map<string, Link>();

function Root({ link, View }: { link: Link; View: ComponentType<{ link: Link }> }) {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  // Before the effects of what it shows, which ask for things: what has no channel yet waits for a running cell.
  useLayoutEffect(() => link.attach(() => redraw(undefined)), [link]);
  return <View link={link} />;
}

function open(model: AnyModel, traits: readonly TraitName[], signal: AbortSignal | undefined): Link {
  const id = model.get("widget_id") as string;
  const link = new Link(model, traits);
  links.set(id, link);
  signal?.addEventListener("abort", () => {
    link.close();
    if (links.get(id) === link) links.delete(id);
  });
  return link;
}

/**
 * The default export of a widget's module.
 *
 * JupyterLab takes keys for its own shortcuts unless an element says otherwise by `data-lm-suppress-shortcuts`;
 * other hosts listen further up, so key events end at our root.
 */
export function widget(View: ComponentType<{ link: Link }>, traits: readonly TraitName[]) {
  const initialize: Initialize = ({ model, signal }) => {
    open(model, traits, signal);
  };
  const render: Render = ({ model, el, signal }) => {
    const link = links.get(model.get("widget_id") as string) ?? open(model, traits, signal);
    el.classList.add("lv-host");
    el.dataset["lmSuppressShortcuts"] = "true";
    const stop = (event: Event): void => event.stopPropagation();
    for (const name of ["keydown", "keyup", "keypress"]) el.addEventListener(name, stop);
    renderInto(<Root link={link} View={View} />, el);
    return () => {
      renderInto(null, el);
      for (const name of ["keydown", "keyup", "keypress"]) el.removeEventListener(name, stop);
    };
  };
  return { initialize, render };
}
