/** Turns a component into the { initialize, render } that anywidget loads. */
import type { AnyModel, Initialize, Render } from "@anywidget/types";
import { type ComponentType, render as renderInto } from "preact";
import { useLayoutEffect, useReducer } from "preact/hooks";
import type { TraitName } from "../contract";
import { Link } from "./link";

/** Views of one model share its link, and so its pictures, pending clicks and knowledge of the kernel. */
const links = new Map<string, Link>();

function Root({ link, View }: { link: Link; View: ComponentType<{ link: Link }> }) {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  // Runs before the children's effects, which send requests: without a channel those wait for a running cell.
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
 * JupyterLab uses keys for its own shortcuts unless an element has `data-lm-suppress-shortcuts`. Other hosts listen
 * further up, so key events end at our root.
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
