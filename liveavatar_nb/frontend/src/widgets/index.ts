/** The front end: one module for all widgets, of which each names its component. */
import type { AnyModel, Initialize, Render } from "@anywidget/types";
import panel from "./panel";
import picker from "./picker";
import studio from "./studio";
import talk from "./talk";
import view from "./view";
import wire from "./wire";

const COMPONENTS = { panel, picker, studio, talk, view, wire };

const componentOf = (model: AnyModel) => COMPONENTS[model.get("_component") as keyof typeof COMPONENTS];

const initialize: Initialize = (props) => componentOf(props.model).initialize(props);
const render: Render = (props) => componentOf(props.model).render(props);

export default { initialize, render };
